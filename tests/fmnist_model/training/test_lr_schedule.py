"""Learning rates rise and fall as they should, and end near zero."""

from __future__ import annotations

import numpy as np
import pytest

from fmnist_model.config import TrainConfig
from fmnist_model.training.lr_schedule import learning_rates


def rates(schedule: str, steps: int = 1000):
    return learning_rates(TrainConfig(learning_rate=0.4, schedule=schedule), steps)


def test_a_constant_rate_is_constant():
    assert np.array_equal(rates("constant"), np.full(1000, 0.4, np.float32))


def test_cosine_is_keras_own():
    import keras

    decay = keras.optimizers.schedules.CosineDecay(0.4, 1000)
    theirs = [float(decay(step)) for step in (0, 1, 250, 500, 900, 999)]
    np.testing.assert_allclose(rates("cosine")[[0, 1, 250, 500, 900, 999]], theirs, atol=1e-6)


def test_one_cycle_rises_from_a_25th_then_falls():
    one_cycle = rates("one_cycle")
    assert one_cycle[0] == pytest.approx(0.4 / 25)
    assert np.argmax(one_cycle) == 300
    assert one_cycle[300] == pytest.approx(0.4)
    assert np.all(np.diff(one_cycle[:300]) > 0)
    assert np.all(np.diff(one_cycle[300:]) < 0)
    assert one_cycle[-1] < 0.001


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
def test_a_single_step_has_a_rate(schedule):
    assert rates(schedule, 1)[0] > 0
