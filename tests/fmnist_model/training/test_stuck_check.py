"""A run without gradients is checked when that is due, and what was found is noted."""

from __future__ import annotations

import pytest

from fmnist_model.diagnosis.evidence import Moment
from fmnist_model.training.protocol import TrainReply
from fmnist_model.training.results import Origin
from fmnist_model.training.run_state import RunState
from fmnist_model.training.stop_rule import StopRule
from fmnist_model.training.stuck_check import StuckCheck, collect_evidence
from tests.fmnist_model.small_images import changed
from tests.fmnist_model.training.numpy_network import CPU, DEAD, MODEL, TRAIN, NumpyNetwork

NOW = Moment(2, 1, 2.3)


def after(steps: int, bias: float = DEAD, model=MODEL, origin=CPU, **train) -> RunState:
    """A run at NOW, of which so many last steps had no gradient."""
    state = RunState(NumpyNetwork(bias), model, changed(TRAIN, **train), origin, entropy=2.3)
    state.advance(0, TrainReply(6, steps, 0, 0.0, 0, 2.3))
    return state


def checked(state: RunState, now: Moment = NOW, last: bool = False):
    check = StuckCheck(state, StopRule(state))
    return check.fault(now, last), check.checks


def test_a_dead_layer_is_found_and_its_onset():
    fault, (check,) = checked(after(5))
    assert (fault.kind, fault.layer, fault.certain) == ("dead_layer", "dense1", True)
    assert (fault.epoch, fault.step) == (1, 2)
    assert (check.kind, check.enough, check.zero_grad_steps) == ("dead_layer", True, 5)


def test_too_few_steps_are_no_reason_for_a_census_but_at_the_end():
    state = after(4)
    assert checked(state) == (None, [])
    assert state.network.censuses == 0
    assert checked(state, last=True)[0].kind == "dead_layer"


def test_a_living_run_is_let_go_on_and_the_check_is_noted():
    fault, (check,) = checked(after(5, bias=0.0))
    assert fault is None
    assert (check.kind, check.layer, check.enough) == (None, None, False)


def test_where_momentum_carries_the_weights_is_examined_too():
    state = after(50, momentum=0.9)
    state.network.bias_velocity = state.network.bias_velocity - 4000  # back above zero
    fault, (check,) = checked(state)
    assert (fault, check.kind) == (None, None)


def test_a_death_that_is_not_proved_needs_as_many_images_as_there_are():
    model = changed(MODEL, dropout=0.5)
    state = after(4, model=model)
    state.network.before_dropout = frozenset()
    fault, (check,) = checked(state, last=True)
    assert (fault, check.kind, check.enough) == (None, "dead_layer", False)
    state = after(5, model=model)
    state.network.before_dropout = frozenset()
    assert not checked(state, last=True)[0].certain


def test_what_died_of_an_explosion_has_exploded():
    fault, _ = checked(after(5), Moment(2, 1, 1e6))
    assert (fault.kind, fault.certain) == ("exploded", True)


@pytest.mark.parametrize(
    ("origin", "batch_size", "rounding"),
    [
        (CPU, 20, 0.0),
        (CPU, 33, 2**-10),  # the last batch has one image
        (CPU, 1, 2**-10),
        (Origin("tensorflow", "bfloat16", "GPU (any)"), 20, 2**-6),
        (Origin("population", "float32", "CPU (any)"), 20, 2**-10),
    ],
)
def test_rounding_is_taken_into_account_where_training_sums_up_otherwise(
    origin, batch_size, rounding
):
    state = after(5, origin=origin, batch_size=batch_size)
    assert collect_evidence(state, NOW).rounding == rounding
