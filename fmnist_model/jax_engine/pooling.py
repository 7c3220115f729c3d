"""Max pooling by comparisons instead of XLA's windows, which scatter the gradient. JAX only."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def max_pooling(sides: tuple[int, int], inputs: jax.Array) -> jax.Array:
    """The maxima of the 2x2 windows of `inputs`, shape (n, *sides, channels).

    A maximum is NaN where any of the four is NaN. A last odd row or column is left out. The
    gradient goes to the first of equal values, row by row, as TensorFlow's does.
    """
    return _pool(sides, inputs)[0]


def _pool(sides: tuple[int, int], inputs: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The maxima, shape (n, height / 2, width / 2, channels), and which of the four each one is."""
    height, width = (side // 2 * 2 for side in sides)
    maximum = inputs[:, 0:height:2, 0:width:2]
    winner = jnp.zeros(maximum.shape, jnp.int8)
    for number, (row, column) in enumerate(((0, 1), (1, 0), (1, 1)), 1):
        other = inputs[:, row:height:2, column:width:2]
        wins = (other > maximum) | jnp.isnan(other)
        maximum = jnp.where(wins, other, maximum)
        winner = jnp.where(wins, jnp.int8(number), winner)
    return maximum, winner


def _backward(sides: tuple[int, int], winner: jax.Array, gradient: jax.Array) -> tuple[jax.Array]:
    count, height, width, channels = gradient.shape
    numbers = jnp.arange(4, dtype=jnp.int8).reshape(2, 1, 2, 1)
    # (n, height, 1, width, 1, channels) against (2, 1, 2, 1): (n, height, 2, width, 2, channels)
    wins = winner[:, :, None, :, None] == numbers
    spread = jnp.where(wins, gradient[:, :, None, :, None], jnp.zeros((), gradient.dtype))
    whole = jnp.reshape(spread, (count, 2 * height, 2 * width, channels))
    odd = ((0, 0), (0, sides[0] - 2 * height), (0, sides[1] - 2 * width), (0, 0))
    return (jnp.pad(whole, odd),)


max_pooling.defvjp(_pool, _backward)
