"""What is counted on the device is what NumPy counts, for every activation."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from fmnist_model.config import ModelConfig
from fmnist_model.diagnosis.activity import count_layer, count_output
from fmnist_model.diagnosis.tally import SATURATED_BEYOND

VALUES = np.random.default_rng(0).normal(size=(40, 3, 5)).astype("f4") * 4
VALUES[..., 0] = -1e3  # a unit far below zero


def as_numpy(count):
    return type(count)._make(np.asarray(figure) for figure in count)


@pytest.mark.parametrize("activation", ModelConfig.model_fields["activation"].annotation.__args__)
def test_extremes_are_over_all_axes_but_that_of_the_units(activation):
    count = as_numpy(count_layer(keras.ops.convert_to_tensor(VALUES), activation))
    outputs = np.asarray(keras.activations.get(activation)(VALUES))
    np.testing.assert_allclose(count.low, outputs.min((0, 1)), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(count.high, outputs.max((0, 1)), rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(count.highest, VALUES.max((0, 1)))
    np.testing.assert_array_equal(count.scale, np.abs(VALUES).max((0, 1)))
    assert count.moving[1:].all()
    assert count.moving[0] == (activation == "leaky_relu")


@pytest.mark.parametrize(("activation", "limit"), SATURATED_BEYOND.items())
def test_pinned_is_where_the_slope_is_less_than_a_hundredth_of_its_greatest(activation, limit):
    count = count_layer(keras.ops.convert_to_tensor(VALUES), activation)
    assert float(count.pinned) == pytest.approx((np.abs(VALUES) > limit).mean())
    slope = {"sigmoid": lambda x: 4 * s(x) * (1 - s(x)), "tanh": lambda x: 1 - np.tanh(x) ** 2}
    assert slope[activation](limit) == pytest.approx(0.01, rel=0.02)


def s(x: float) -> float:
    return 1 / (1 + np.exp(-x))


def test_an_output_is_open_saturated_or_zero():
    logits = np.full((4, 10), -1.0, "f4")
    logits[0, :3] = 2.0  # three saturated, the label's among them
    logits[1, 4] = 0.5  # one open
    logits[2, 9] = 1.5  # saturated, and not the label's
    count = as_numpy(
        count_output(keras.ops.convert_to_tensor(logits), keras.ops.convert_to_tensor([0, 1, 2, 3]))
    )
    assert (count.open, count.label_saturated) == (1, 1)
    assert count.saturated.tolist() == [2, 1, 0, 1, *[0] * 7]
    np.testing.assert_array_equal(count.scale, np.abs(logits).max(0))
    assert count.distance[9] == 0.5  # 1.5 is half above the greatest open value
