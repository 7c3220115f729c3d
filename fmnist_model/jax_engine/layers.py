"""Layers of a population: Keras's own, computed in ways that suit many slots at once. JAX only."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import keras
from jax import lax


class ChosenActivation(keras.layers.Layer):
    """The activation whose place in `names` is the layer's variable `activation_index`.

    Under `jax.vmap` all of them are computed and one is selected, slot by slot.
    """

    def __init__(self, _activation: str, names: Sequence[str], **options: Any) -> None:
        super().__init__(**options)
        self._names = tuple(names)

    def build(self, _input_shape: Sequence[int | None]) -> None:
        self.index = self.add_weight(
            shape=(), initializer="zeros", trainable=False, dtype="int32", name="activation_index"
        )

    def call(self, inputs: Any) -> Any:
        return chosen_activation(self._names, keras.ops.convert_to_tensor(self.index), inputs)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def chosen_activation(names: Sequence[str], index: Any, values: Any) -> Any:
    """The activation `names[index]` of `values`.

    Its derivative is selected from theirs: were it left to the chain rule, one that overflows would
    spoil the others, for 0 x infinity is not a number.
    """
    return jax.lax.switch(index, [keras.activations.get(name) for name in names], values)


@chosen_activation.defjvp  # type: ignore[untyped-decorator]  # JAX is not read by mypy
def _chosen_slope(names: Sequence[str], primals: Any, tangents: Any) -> Any:
    index, values = primals
    slopes = [partial(_slope, keras.activations.get(name)) for name in names]
    slope = jax.lax.switch(index, slopes, values)
    return chosen_activation(names, index, values), slope * tangents[1]


def _slope(function: Any, values: Any) -> Any:
    outputs, pull_back = jax.vjp(function, values)
    return pull_back(jnp.ones_like(outputs))[0]


class _WholeBias:
    """A layer whose bias is float32 and added as such, whatever the layer computes in.

    Its gradient is a sum over all places of all images, and JAX sums bfloat16 in bfloat16: beyond
    some hundred equal terms another one changes nothing.
    """

    def add_weight(self, *arguments: Any, name: str | None = None, **options: Any) -> Any:
        if name == "bias":
            options["autocast"] = False
        parent: Any = super()
        return parent.add_weight(*arguments, name=name, **options)

    def call(self, inputs: Any) -> Any:
        layer: Any = super()
        return keras.ops.cast(layer.call(inputs), inputs.dtype)


class Dense(_WholeBias, keras.layers.Dense):
    """Keras's own, but for the bias."""


class GroupedConvolution(_WholeBias, keras.layers.Conv2D):
    """Keras's own, but for the bias: under `jax.vmap` XLA makes a grouped convolution of it."""


class MatrixConvolution(_WholeBias, keras.layers.Conv2D):
    """A convolution as one matrix product of patches and kernel, for square kernels."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        if self.padding == "same":
            side = kernel.shape[0]
            before, after = (side - 1) // 2, side // 2
            inputs = jnp.pad(inputs, ((0, 0), (before, after), (before, after), (0, 0)))
        return matrix_convolution(inputs, keras.ops.convert_to_tensor(kernel))


@jax.custom_vjp  # type: ignore[untyped-decorator]  # JAX is not read by mypy
def matrix_convolution(inputs: Any, kernel: Any) -> Any:
    """A valid convolution as one matrix product of patches and kernel (im2col).

    `inputs` of shape (n, height, width, channels), `kernel` (side, side, channels, filters). Its
    derivatives are written out so that patches are laid out once: left to itself, XLA copies them
    transposed for the kernel's gradient, which on a GPU takes longer than the products.
    """
    return _convolved(inputs, kernel)[0]


ALIGNED = 8
"""Patches are padded with zeros to a multiple of so many numbers, as a GPU's matrix units want."""
PARTS = 128
"""The kernel's gradient is a sum over up to so many parts of a batch, each a product of its own: it
is small, and its sum is long, so that one product would leave most of a GPU idle."""


def _convolved(inputs: Any, kernel: Any) -> tuple[Any, Any]:
    """The outputs, and the patches, a row for each output's place, padded with zeros."""
    side, _, channels, filters = kernel.shape
    height, width = inputs.shape[1] - side + 1, inputs.shape[2] - side + 1
    inputs = lax.optimization_barrier(inputs)  # else XLA computes them anew for each of the pieces
    pieces = [inputs[:, i : i + height, j : j + width] for i in range(side) for j in range(side)]
    size = side * side * channels
    pieces.append(jnp.zeros((*pieces[0].shape[:3], -size % ALIGNED), inputs.dtype))
    patches = jnp.concatenate(pieces, axis=-1)
    patches = jnp.reshape(patches, (-1, patches.shape[-1]))
    outputs = patches @ _as_matrix(kernel)
    return jnp.reshape(outputs, (len(inputs), height, width, filters)), patches


def _as_matrix(kernel: Any) -> Any:
    matrix = jnp.reshape(kernel, (-1, kernel.shape[-1]))
    return jnp.pad(matrix, ((0, -len(matrix) % ALIGNED), (0, 0)))


def _convolution_forward(inputs: Any, kernel: Any) -> tuple[Any, tuple[Any, Any]]:
    outputs, patches = _convolved(inputs, kernel)
    return outputs, (patches, kernel)


def _convolution_backward(kept: tuple[Any, Any], gradient: Any) -> tuple[Any, Any]:
    """The gradients of inputs and kernel, both summed in float32."""
    patches, kernel = kept
    side, _, channels, filters = kernel.shape
    count, height, width, _ = gradient.shape
    size = side * side * channels
    parts = max(part for part in range(1, PARTS + 1) if count % part == 0)
    of_kernel = lax.dot_general(
        jnp.reshape(patches, (parts, -1, patches.shape[-1])),
        jnp.reshape(gradient, (parts, -1, filters)),
        (((1,), (1,)), ((0,), (0,))),
        preferred_element_type=jnp.float32,
    ).sum(axis=0)[:size]
    of_patches = jnp.reshape(gradient, (-1, filters)) @ jnp.reshape(kernel, (size, filters)).T
    of_patches = jnp.reshape(of_patches, (count, height, width, side, side, channels))
    around = side - 1
    of_inputs = sum(
        jnp.pad(
            of_patches[:, :, :, i, j].astype(jnp.float32),
            ((0, 0), (i, around - i), (j, around - j), (0, 0)),
        )
        for i in range(side)
        for j in range(side)
    )
    return (
        jnp.asarray(of_inputs, gradient.dtype),
        jnp.reshape(of_kernel, kernel.shape).astype(kernel.dtype),
    )


matrix_convolution.defvjp(_convolution_forward, _convolution_backward)


class PairwiseMaxPooling(keras.layers.MaxPooling2D):
    """The maximum of 2x2 by comparisons, whose gradient goes to the first of equals, as Keras's on
    TensorFlow does. (XLA's own scatters it, a window at a time.)"""

    def call(self, inputs: Any) -> Any:
        return max_pooling(inputs.shape[1:3], inputs)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def max_pooling(sides: tuple[int, int], inputs: Any) -> Any:
    """The maxima of 2x2 of `inputs`, whose height and width are `sides`; not a number where any of
    the four is not. A last odd row or column is left out."""
    return _pooled(sides, inputs)[0]


def _pooled(sides: tuple[int, int], inputs: Any) -> tuple[Any, Any]:
    """The maxima, and which of the four each is: the first of equals, row by row."""
    height, width = (side // 2 * 2 for side in sides)
    greatest = inputs[:, 0:height:2, 0:width:2]
    place = jnp.zeros(greatest.shape, jnp.int8)
    for number, (row, column) in enumerate(((0, 1), (1, 0), (1, 1)), 1):
        other = inputs[:, row:height:2, column:width:2]
        wins = (other > greatest) | jnp.isnan(other)
        greatest = jnp.where(wins, other, greatest)
        place = jnp.where(wins, jnp.int8(number), place)
    return greatest, place


def _pooling_backward(sides: tuple[int, int], place: Any, gradient: Any) -> tuple[Any]:
    count, height, width, channels = gradient.shape
    places = jnp.arange(4, dtype=jnp.int8).reshape(2, 1, 2, 1)
    chosen = place[:, :, None, :, None] == places
    spread = jnp.where(chosen, gradient[:, :, None, :, None], jnp.zeros((), gradient.dtype))
    whole = jnp.reshape(spread, (count, 2 * height, 2 * width, channels))
    odd = ((0, 0), (0, sides[0] - 2 * height), (0, sides[1] - 2 * width), (0, 0))
    return (jnp.pad(whole, odd),)


max_pooling.defvjp(_pooled, _pooling_backward)
