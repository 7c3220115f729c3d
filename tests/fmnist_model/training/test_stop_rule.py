"""A diagnosis ends the run, or is recorded together with what became of the run."""

from __future__ import annotations

from fmnist_model.diagnosis.diagnose import Diagnosis
from fmnist_model.diagnosis.evidence import Moment
from fmnist_model.training.protocol import TrainReply
from fmnist_model.training.run_state import RunState
from fmnist_model.training.stop_rule import StopRule
from tests.fmnist_model.small_images import changed
from tests.fmnist_model.training.numpy_network import CPU, MODEL, TRAIN, NumpyNetwork

NOW = Moment(1, 3, 2.3)
DEAD = Diagnosis("dead_layer", "dead", layer="dense1")


def rule(on_stuck: str) -> tuple[StopRule, RunState]:
    state = RunState(NumpyNetwork(), MODEL, changed(TRAIN, on_stuck=on_stuck), CPU, 2.3)
    return StopRule(state), state


def go_on(state: RunState, zero_grad_steps: int) -> None:
    state.advance(0, TrainReply(2, zero_grad_steps, 0, 0.0, 0, 2.3))


def test_stop_ends_the_run():
    stop, _ = rule("stop")
    assert stop.apply(DEAD, NOW) is DEAD
    assert stop.recorded() is None


def test_record_keeps_the_first_diagnosis():
    record, _ = rule("record")
    assert record.apply(DEAD, NOW) is None
    assert record.apply(Diagnosis("exploded", "later"), Moment(2, 1, 99.0)) is None
    assert record.pending.diagnosis is DEAD
    assert (record.recorded().epoch, record.recorded().step) == (1, 3)


def test_a_run_without_a_gradient_since_has_not_revived():
    record, state = rule("record")
    record.apply(DEAD, NOW)
    go_on(state, zero_grad_steps=2)
    assert not record.recorded().revived
    go_on(state, zero_grad_steps=1)
    assert record.recorded().revived


def test_only_weights_up_to_the_dead_layer_are_expected_to_stay():
    record, state = rule("record")
    record.apply(DEAD, NOW)
    state.network.head_bias = state.network.head_bias + 1
    assert not record.recorded().moved
    state.network.bias = state.network.bias + 1
    assert record.recorded().moved
