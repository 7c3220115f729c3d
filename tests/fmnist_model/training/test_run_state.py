"""Steps are counted, onsets are found across epochs, and vital signs are measured once."""

from __future__ import annotations

import pytest

from fmnist_model.diagnosis.evidence import Moment
from fmnist_model.training.protocol import TrainReply
from fmnist_model.training.run_state import RunState, other_recovery_paths
from tests.fmnist_model.small_images import changed
from tests.fmnist_model.training.numpy_network import CPU, MODEL, TRAIN, NumpyNetwork


def state(model=MODEL, **train) -> RunState:
    return RunState(NumpyNetwork(), model, changed(TRAIN, **train), CPU, entropy=2.3)


@pytest.mark.parametrize(("batch_size", "steps"), [(20, 5), (30, 4), (2**31 - 1, 1)])
def test_steps_per_epoch(batch_size, steps):
    assert state(batch_size=batch_size).steps_per_epoch == steps


@pytest.mark.parametrize(
    ("now", "steps", "onset"),
    [((1, 5), 5, (1, 1)), ((2, 3), 3, (2, 1)), ((2, 3), 4, (1, 5)), ((3, 5), 12, (1, 4))],
)
def test_the_onset_may_be_in_an_epoch_before(now, steps, onset):
    assert state().onset(Moment(*now, 2.0), steps) == Moment(*onset, 2.0)


def test_an_explosion_began_when_the_loss_last_rose_above_the_ceiling():
    run = state()
    run.advance(0, TrainReply(4, 0, 3, 0.0, 0, 99.0))
    assert run.explosion_onset(Moment(1, 4, 99.0)).step == 2
    run.advance(4, TrainReply(5, 0, 0, 0.0, 0, 1.0))
    assert run.explosion_onset(Moment(1, 5, 99.0)).step == 5


@pytest.mark.parametrize(
    ("model", "train", "patience"),
    [
        ({}, {}, 5),
        ({"dropout": 0.1}, {}, 50),
        ({}, {"momentum": 0.9}, 50),
        ({}, {"flip": True}, 50),
        ({}, {"momentum": 0.9, "batch_size": 100}, 10),
    ],
)
def test_a_thousand_images_without_a_gradient_where_something_might_revive(model, train, patience):
    assert state(changed(MODEL, **model), **train).counts.gradients.patience == patience


def test_other_recovery_paths():
    assert other_recovery_paths(MODEL, changed(TRAIN, momentum=0.9)) == ()
    model = changed(MODEL, batch_normalization=True)
    assert other_recovery_paths(model, changed(TRAIN, weight_decay=0.1, shift=1)) == (
        "the statistics of another batch",
        "weight decay",
        "another flip or shift",
    )


def test_vital_signs_are_measured_once_after_the_same_step():
    run = state()
    signs = run.vital_signs()
    assert run.vital_signs() is signs
    run.advance(0, TrainReply(1, 0, 0, 0.0, 0, 1.0))
    assert run.vital_signs() is not signs
