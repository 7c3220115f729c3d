"""A convolution by a matrix product against XLA's own, values and gradients."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from fmnist_model.jax_engine.convolution import matrix_convolution

pytestmark = pytest.mark.slow  # JAX compiles a program for most of these tests


def drawn(*shape: int, seed: int = 0) -> Any:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def xla_convolution(inputs: Any, kernel: Any) -> Any:
    return lax.conv_general_dilated(
        inputs, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


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
