"""Keras's layers, computed in ways that suit many slots under `jax.vmap`. JAX only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import keras

from fmnist_model.jax_engine.convolution import matrix_convolution

Convolution = Literal["grouped", "matrix"]
"""How convolutions of many slots are computed: as XLA's grouped ones, or as matrix products."""


class SelectedActivation(keras.layers.Layer):
    """The activation `names[i]`, where i is the value of the layer's variable `activation_index`.

    Under `jax.vmap` all of them are computed and one is selected for each slot.
    """

    def __init__(self, _activation: str, names: Sequence[str], **options: Any) -> None:
        super().__init__(**options)
        self._names = tuple(names)

    def build(self, _input_shape: Sequence[int | None]) -> None:
        self.index = self.add_weight(
            shape=(), initializer="zeros", trainable=False, dtype="int32", name="activation_index"
        )

    def call(self, inputs: jax.Array) -> jax.Array:
        return selected_activation(self._names, keras.ops.convert_to_tensor(self.index), inputs)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def selected_activation(names: Sequence[str], index: jax.Array, values: jax.Array) -> jax.Array:
    """The activation `names[index]` of `values`, in their shape.

    Its derivative is selected from those of all activations. The chain rule would multiply the
    derivatives of the others by zero instead, and zero times one that overflows is NaN.
    """
    activations = [keras.activations.get(name) for name in names]
    selected: jax.Array = jax.lax.switch(index, activations, values)
    return selected


@selected_activation.defjvp
def _selected_activation_jvp(
    names: Sequence[str],
    primals: tuple[jax.Array, jax.Array],
    tangents: tuple[jax.Array, jax.Array],
) -> tuple[jax.Array, jax.Array]:
    index, values = primals
    derivatives = [partial(_derivative, keras.activations.get(name)) for name in names]
    derivative = jax.lax.switch(index, derivatives, values)
    return selected_activation(names, index, values), derivative * tangents[1]


def _derivative(function: Callable[[jax.Array], jax.Array], values: jax.Array) -> jax.Array:
    outputs, pull_back = jax.vjp(function, values)
    derivative: jax.Array = pull_back(jnp.ones_like(outputs))[0]
    return derivative


class _Float32Bias:
    """A layer whose bias is float32 and is added in float32, whatever the layer computes in.

    The gradient of a bias is a sum over all positions of all images, and JAX sums bfloat16 in
    bfloat16: after some hundred equal terms, one more changes nothing.
    """

    def add_weight(self, *arguments: Any, name: str | None = None, **options: Any) -> Any:
        if name == "bias":
            options["autocast"] = False
        parent: Any = super()
        return parent.add_weight(*arguments, name=name, **options)

    def call(self, inputs: jax.Array) -> Any:
        layer: Any = super()
        return keras.ops.cast(layer.call(inputs), inputs.dtype)


class Dense(_Float32Bias, keras.layers.Dense):
    """Keras's own layer, with a float32 bias."""


class GroupedConvolution(_Float32Bias, keras.layers.Conv2D):
    """Keras's own layer, with a float32 bias; `jax.vmap` makes a grouped convolution of it."""


class MatrixConvolution(_Float32Bias, keras.layers.Conv2D):
    """A convolution with square kernels as one matrix product of patches and kernel."""

    def convolution_op(self, inputs: jax.Array, kernel: Any) -> jax.Array:
        if self.padding == "same":
            side = kernel.shape[0]
            before, after = (side - 1) // 2, side // 2
            inputs = jnp.pad(inputs, ((0, 0), (before, after), (before, after), (0, 0)))
        return matrix_convolution(inputs, keras.ops.convert_to_tensor(kernel))


class PairwiseMaxPooling(keras.layers.MaxPooling2D):
    """The maximum of 2x2 windows by comparisons: see `max_pooling`."""

    def call(self, inputs: jax.Array) -> jax.Array:
        return max_pooling(inputs.shape[1:3], inputs)


CONVOLUTION_LAYERS: dict[Convolution, type[keras.layers.Layer]] = {
    "grouped": GroupedConvolution,
    "matrix": MatrixConvolution,
}


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
