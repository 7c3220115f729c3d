"""What the losses at the end of epochs say: not finite, exploded, saturated, slow, healthy."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fmnist_model.diagnosis.evidence import Moment, VitalSigns
from fmnist_model.training.loss_check import LossCheck
from fmnist_model.training.run_counts import EpochMetrics
from fmnist_model.training.run_state import RunState
from fmnist_model.training.stop_rule import StopRule
from tests.fmnist_model.small_images import changed
from tests.fmnist_model.training.numpy_network import CPU, MODEL, TRAIN, NumpyNetwork


def check(**train) -> LossCheck:
    state = RunState(NumpyNetwork(), MODEL, changed(TRAIN, **train), CPU, math.log(10))
    return LossCheck(state, StopRule(state))


def metrics(loss: float | None) -> EpochMetrics:
    return EpochMetrics(1, loss, 0.1, loss, 0.1, 1.0)


def test_a_loss_that_is_not_finite_names_what_is_not():
    losses = check()
    losses._state.network.head = losses._state.network.head * np.float32(np.nan)
    fault = losses.fault(Moment(1, 5, math.nan))
    assert (fault.kind, fault.layer) == ("non_finite", "output")


def test_two_epochs_in_a_row_above_the_ceiling_are_an_explosion():
    losses = check()
    faults = [losses.fault(Moment(epoch, 5, loss)) for epoch, loss in enumerate((99, 2, 99, 99), 1)]
    assert [fault and fault.kind for fault in faults] == [None, None, None, "exploded"]


def test_an_explosion_can_be_recorded_instead():
    losses = check(on_stuck="record")
    assert losses.fault(Moment(1, 5, 99.0)) is losses.fault(Moment(2, 5, 99.0)) is None
    assert losses.diagnosis(metrics(0.1)).kind == "exploded"


@pytest.mark.parametrize(
    ("loss", "kind"), [(0.5, "healthy"), (2.3026, "slow"), (None, "exploded"), (99.0, "exploded")]
)
def test_what_a_run_is_that_was_not_stopped(loss, kind):
    assert check().diagnosis(metrics(loss)).kind == kind


def test_saturated_epochs_in_a_row_are_counted_if_wanted():
    saturated = VitalSigns(100, {}, {"dense1": 0.95}, {"dense1": 1.0, "output": 1.0})
    for patience, pruned in ((None, [False] * 4), (2, [False, False, False, True])):
        losses = check(saturated_patience=patience)
        losses._state.network.vital_signs = lambda: saturated
        found = [losses.is_to_be_pruned(metrics(loss)) for loss in (2.3026, 0.5, 2.3026, 2.3026)]
        assert found == pruned
