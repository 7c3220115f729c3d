"""Layers of a population: Keras's own, computed in ways that suit many slots at once. JAX only."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import keras


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
        return matrix_convolution(inputs, kernel)


def matrix_convolution(inputs: Any, kernel: Any) -> Any:
    """A valid convolution as one matrix product of patches and kernel (im2col).

    `inputs` of shape (n, height, width, channels), `kernel` (side, side, channels, filters).
    """
    side, _, channels, filters = kernel.shape
    height, width = inputs.shape[1] - side + 1, inputs.shape[2] - side + 1
    patches = jnp.concatenate(
        [inputs[:, i : i + height, j : j + width] for i in range(side) for j in range(side)],
        axis=-1,
    )
    return patches @ jnp.reshape(kernel, (side * side * channels, filters))


class PairwiseMaxPooling(keras.layers.MaxPooling2D):
    """The maximum of 2x2 by comparisons, whose gradient goes to the first of equals, as Keras's on
    TensorFlow does. (XLA's own scatters it, a window at a time.)"""

    def call(self, inputs: Any) -> Any:
        height, width = (size // 2 * 2 for size in inputs.shape[1:3])
        rows = _greater(inputs[:, 0:height:2, :width], inputs[:, 1:height:2, :width])
        return _greater(rows[:, :, 0::2], rows[:, :, 1::2])


def _greater(first: Any, second: Any) -> Any:
    """The greater one, the first of equals; not a number where either is not."""
    return jnp.where((second > first) | jnp.isnan(second), second, first)
