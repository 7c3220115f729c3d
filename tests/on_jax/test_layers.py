"""A population's own layers against those of XLA and Keras, values and gradients."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from fmnist_model.jax_engine.layers import matrix_convolution, max_pooling


def drawn(*shape: int, seed: int = 0) -> Any:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def xla_convolution(inputs: Any, kernel: Any) -> Any:
    return lax.conv_general_dilated(
        inputs, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def xla_pooling(inputs: Any) -> Any:
    return lax.reduce_window(inputs, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


@pytest.mark.parametrize("count", [1, 6, 41, 80])
@pytest.mark.parametrize(("side", "channels", "kernel_side"), [(9, 1, 3), (8, 5, 3), (7, 2, 5)])
def test_a_matrix_convolution_is_a_convolution(
    count: int, side: int, channels: int, kernel_side: int
) -> None:
    images = drawn(count, side, side, channels)
    kernel = drawn(kernel_side, kernel_side, channels, 4, seed=1)
    outputs, pull_back = jax.vjp(matrix_convolution, images, kernel)
    expected, pull_back_expected = jax.vjp(xla_convolution, images, kernel)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4)
    gradient = drawn(*outputs.shape, seed=2)
    for mine, theirs in zip(pull_back(gradient), pull_back_expected(gradient), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-3)


def test_its_gradients_in_bfloat16_are_those_in_float32_rounded() -> None:
    whole = drawn(80, 13, 13, 8), drawn(3, 3, 8, 16, seed=1)
    halves = tuple(part.astype(jnp.bfloat16) for part in whole)
    outputs, pull_back = jax.vjp(matrix_convolution, *halves)
    gradient = drawn(*outputs.shape, seed=2).astype(jnp.bfloat16)
    exact = jax.vjp(xla_convolution, *(part.astype(jnp.float32) for part in halves))[1]
    for mine, theirs in zip(pull_back(gradient), exact(gradient.astype(jnp.float32)), strict=True):
        assert mine.dtype == jnp.bfloat16
        scale = float(jnp.abs(theirs).max())
        np.testing.assert_allclose(mine.astype(jnp.float32), theirs, atol=0.01 * scale)


@pytest.mark.parametrize("sides", [(6, 6), (7, 5), (2, 3)])
def test_max_pooling_is_xlas_where_no_two_are_equal(sides: tuple[int, int]) -> None:
    images = drawn(3, *sides, 4)
    outputs, pull_back = jax.vjp(lambda x: max_pooling(sides, x), images)
    expected, pull_back_expected = jax.vjp(xla_pooling, images)
    np.testing.assert_array_equal(outputs, expected)
    gradient = drawn(*outputs.shape, seed=2)
    np.testing.assert_array_equal(pull_back(gradient)[0], pull_back_expected(gradient)[0])


def test_the_first_of_equals_has_the_gradient_and_what_is_not_a_number_stays() -> None:
    window = jnp.asarray([[1.0, 2.0], [2.0, 0.0]]).reshape(1, 2, 2, 1)
    gradient = jax.grad(lambda x: max_pooling((2, 2), x).sum())(window)
    np.testing.assert_array_equal(gradient.reshape(2, 2), [[0, 1], [0, 0]])
    for place in range(4):
        spoiled = window.reshape(4).at[place].set(jnp.nan).reshape(window.shape)
        assert jnp.isnan(max_pooling((2, 2), spoiled)).all()
