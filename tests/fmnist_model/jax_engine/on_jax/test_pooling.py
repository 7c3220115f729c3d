"""Max pooling by comparisons against XLA's own, values and gradients."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from fmnist_model.jax_engine.pooling import max_pooling


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
