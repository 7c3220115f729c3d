"""Scores and counts of a slot's network, summed over chunks, against the whole at once."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from fmnist_model.dataset.fashion_mnist import split
from fmnist_model.jax_engine.inference import count_active, evaluate
from fmnist_model.jax_engine.losses import OUTPUTS
from fmnist_model.jax_engine.state import JaxImages
from fmnist_model.network.losses import cross_entropy
from tests.fmnist_model.jax_engine.on_jax.helpers import TRIALS

pytestmark = pytest.mark.slow  # JAX compiles a program for most of these tests

IMAGES = 1501
"""Two chunks, of which the second one ends with one image of padding."""


@pytest.fixture(scope="module")
def network(alone):
    return alone._groups[0].trainer.network


@pytest.fixture(scope="module")
def weights(network):
    return jax.tree.map(jnp.asarray, network.first_weights(*TRIALS[0]))


@pytest.fixture(scope="module")
def many(everything):
    return split(everything, IMAGES)[0]


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_score_is_a_sum_over_all_images(network, weights, many, output):
    compiled = jax.jit(partial(evaluate, network))
    scored = compiled(weights, OUTPUTS.index(output), JaxImages.place(many))
    logits = network.logits(weights, jnp.asarray(many.pixels))
    losses = cross_entropy(output, logits, many.labels)
    np.testing.assert_allclose(scored[0], losses.sum(), rtol=1e-4)
    outputs = np.asarray(keras.activations.get(output)(logits))
    assert int(scored[1]) == (outputs.argmax(axis=1) == many.labels).sum()


def test_counts_are_of_each_layer_on_the_images_that_are_named(network, weights, many):
    numbers = np.array([3, 1, 4])
    placed = JaxImages.place(many)
    *hidden, output = count_active(network, weights, numbers, placed, "relu")
    *values, logits = network.pre_activations(weights, placed.pixels[numbers])
    assert [len(count.high) for count in hidden] == [4, 8, 16]
    for count, layer in zip(hidden, values, strict=True):
        axes = tuple(range(layer.ndim - 1))
        np.testing.assert_array_equal(count.moving, (layer > 0).any(axes))
        np.testing.assert_allclose(count.highest, layer.max(axes), rtol=1e-6)
    assert int(output.saturated.sum()) == len(numbers)
    assert logits.shape == (3, 10)
