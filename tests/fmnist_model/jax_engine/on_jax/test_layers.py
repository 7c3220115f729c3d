"""Layers for many slots: activations that are data, biases in float32, padding, pooling."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from jax import lax

from fmnist_model.jax_engine import layers
from fmnist_model.jax_engine.layers import max_pooling, selected_activation


@pytest.mark.parametrize("name", ["Dense", "GroupedConvolution", "MatrixConvolution"])
def test_a_bias_in_bfloat16_has_its_whole_gradient(name):
    """A sum of equal terms in bfloat16 would end at 256 of them."""
    dense = name == "Dense"
    layer = getattr(layers, name)(4, *(() if dense else (3,)), dtype="mixed_bfloat16")
    pixels = np.zeros((1000, 8) if dense else (1000, 8, 8, 1), np.float32)
    network = keras.Sequential([keras.Input(pixels.shape[1:]), layer])

    def total(weights):
        outputs = network.stateless_call(weights, [], pixels)[0]
        assert outputs.dtype == "bfloat16"
        return outputs.astype("float32").sum()

    _, bias = jax.grad(total)([variable.value for variable in layer.trainable_variables])
    np.testing.assert_array_equal(bias, 1000 if dense else 36000)


def test_an_activation_that_overflows_spoils_no_other():
    """Its derivative would be infinite where it was not selected, and 0 x infinity is NaN."""
    names = ("relu", "mish", "softplus", "elu")
    x = np.array([-1e30, -1e3, 0.0, 1e3, 1e30], np.float32)
    for index, name in enumerate(names):
        found = jax.vmap(jax.grad(lambda v, i=index: selected_activation(names, i, v)))(x)
        plain = jax.vmap(jax.grad(lambda v, n=name: keras.activations.get(n)(v)))(x)
        np.testing.assert_array_equal(found, plain)


def test_a_layer_has_the_activation_whose_index_it_holds():
    layer = layers.SelectedActivation("relu", names=("relu", "tanh"))
    values = np.array([-1.0, 2.0], np.float32)
    np.testing.assert_array_equal(layer(values), [0, 2])
    layer.index.assign(1)
    np.testing.assert_allclose(layer(values), np.tanh(values), rtol=1e-6)


@pytest.mark.parametrize("kernel", [2, 3, 5])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_a_matrix_convolution_is_keras_own(kernel, padding):
    images = np.random.default_rng(0).normal(size=(4, 9, 8, 3)).astype(np.float32)
    expected = keras.layers.Conv2D(5, kernel, padding=padding)
    ours = layers.MatrixConvolution(5, kernel, padding=padding)
    expected.build(images.shape)
    ours.build(images.shape)
    ours.set_weights(expected.get_weights())
    np.testing.assert_allclose(ours(images), expected(images), rtol=1e-4, atol=1e-5)


def test_pairwise_max_pooling_is_keras_own():
    images = np.random.default_rng(0).normal(size=(4, 7, 6, 3)).astype(np.float32)
    expected = keras.layers.MaxPooling2D(2)(images)
    np.testing.assert_array_equal(layers.PairwiseMaxPooling(2)(images), expected)


def drawn(*shape: int, seed: int = 0) -> Any:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def xla_pooling(inputs: Any) -> Any:
    return lax.reduce_window(inputs, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


@pytest.mark.parametrize("sides", [(6, 6), (7, 5), (2, 3)])
def test_max_pooling_is_xlas_where_no_two_are_equal(sides: tuple[int, int]) -> None:
    images = drawn(3, *sides, 4)
    outputs, pull_back = jax.vjp(lambda x: max_pooling(sides, x), images)
    expected, pull_back_expected = jax.vjp(xla_pooling, images)
    np.testing.assert_array_equal(outputs, expected)
    gradient = drawn(*outputs.shape, seed=2)
    np.testing.assert_array_equal(pull_back(gradient)[0], pull_back_expected(gradient)[0])


def test_the_first_of_equals_has_the_gradient_and_nan_stays() -> None:
    window = jnp.asarray([[1.0, 2.0], [2.0, 0.0]]).reshape(1, 2, 2, 1)
    gradient = jax.grad(lambda x: max_pooling((2, 2), x).sum())(window)
    np.testing.assert_array_equal(gradient.reshape(2, 2), [[0, 1], [0, 0]])
    for place in range(4):
        spoiled = window.reshape(4).at[place].set(jnp.nan).reshape(window.shape)
        assert jnp.isnan(max_pooling((2, 2), spoiled)).all()
