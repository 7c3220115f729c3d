"""Loss and accuracy with an output activation that is data, against the loss of each network."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fmnist_model.jax_engine.losses import OUTPUTS, count_correct, cross_entropy
from fmnist_model.network import losses

LOGITS = np.random.default_rng(0).normal(size=(64, 10)).astype(np.float32)
LABELS = np.random.default_rng(1).integers(0, 10, 64)


@pytest.mark.parametrize("output", OUTPUTS)
def test_the_loss_is_that_of_a_network_with_this_output(output):
    """Whose own test compares it with Keras's on TensorFlow."""
    expected = losses.cross_entropy(output, LOGITS, LABELS)
    found = jax.jit(cross_entropy)(LOGITS, LABELS, OUTPUTS.index(output))
    assert found.shape == (64,)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_only_present_images_are_counted_and_a_dead_relu_output_says_class_0():
    correct = LOGITS.argmax(axis=1)
    present = np.arange(64) < 40
    assert count_correct(LOGITS, correct, present, OUTPUTS.index("softmax")) == 40
    relu = OUTPUTS.index("relu")
    assert count_correct(-np.abs(LOGITS), np.zeros(64, int), present, relu) == 40
    assert count_correct(-np.abs(LOGITS), np.ones(64, int), present, relu) == 0
