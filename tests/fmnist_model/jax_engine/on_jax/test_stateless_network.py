"""A network with weights from outside is Keras's own network with these weights."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fmnist_model.jax_engine.stateless_network import StatelessNetwork
from fmnist_model.network.build import export_network, logits_network
from tests.fmnist_model.jax_engine.on_jax.helpers import ACTIVATIONS, MODEL, TRAIN, trial

pytestmark = pytest.mark.slow  # JAX compiles a program for most of these tests

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 28, 28), np.uint8)


@pytest.fixture(scope="module")
def network():
    return StatelessNetwork(MODEL, "float32", ACTIVATIONS, "matrix")


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("convolution", ["matrix", "grouped"])
def test_logits_are_those_of_the_exported_network(activation, convolution):
    network = StatelessNetwork(MODEL, "float32", ACTIVATIONS, convolution)
    model, settings = trial({"activation": activation}, seed=9)
    weights = network.first_weights(model, settings)
    exported = logits_network(export_network(model, weights.trainable))
    expected = exported([PIXELS[..., None] / np.float32(255)])
    found = network.logits(weights, jnp.asarray(PIXELS))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    layers = network.pre_activations(weights, jnp.asarray(PIXELS))
    assert [values.shape[-1] for values in layers] == [4, 8, 16, 10]
    np.testing.assert_allclose(layers[-1], expected, rtol=1e-4, atol=1e-5)


def test_dropout_drops_in_training_alone_and_its_stream_moves_on(network):
    weights = network.first_weights(*trial({"dropout": 0.5}))
    pixels = jnp.asarray(PIXELS)
    plain = network.logits(weights, pixels)
    first, state = network.training_logits(weights.trainable, weights.state, pixels)
    second, _ = network.training_logits(weights.trainable, state, pixels)
    again, _ = network.training_logits(weights.trainable, weights.state, pixels)
    assert not np.allclose(first, plain)
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(first, again)


def test_first_weights_are_given_or_drawn_from_the_seed(network):
    one, same = (network.first_weights(*trial(seed=3)) for _ in range(2))
    other = network.first_weights(*trial(seed=4))
    for a, b in zip(one.trainable, same.trainable, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(one.trainable[0], other.trainable[0])
    assert not any(value.any() for value in one.velocity)
    given = [np.ones(variable.shape, np.float32) for variable in network.variables]
    assert network.first_weights(MODEL, TRAIN, given).trainable == given


def test_empty_weights_have_a_leading_axis_of_slots(network):
    empty, first = network.empty_weights(3), network.first_weights(MODEL, TRAIN)
    for stacked, value in zip(jax.tree.leaves(empty), jax.tree.leaves(first), strict=True):
        assert stacked.shape == (3, *np.shape(value))
        assert stacked.dtype == value.dtype
