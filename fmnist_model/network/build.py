"""One Keras definition of each network, for every engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from fmnist_model.config import CLASSES, IMAGE_SIDE, ModelConfig

Tensor = Any  # Keras has no types
Variable = Any

MOVING_AVERAGE_MOMENTUM = 0.9
"""The share of batch normalisation's moving averages that a step keeps. With Keras's 0.99 they
would still be two thirds initial value after the 48 steps of an epoch in batches of 1000, which is
when the pruner first decides."""


class TunableDropout(keras.layers.Layer):
    """Dropout whose rate is a variable.

    The rate of Keras's own layer is a constant of the traced program, so that each trial with
    another rate would trace the program again. The layer that is saved is Keras's own: see
    `export_network`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.seed_generator = keras.random.SeedGenerator(0)

    def build(self, _input_shape: Sequence[int | None]) -> None:
        """Add the rate, a float32 of shape ()."""
        self.rate = self.add_weight(
            shape=(), initializer="zeros", trainable=False, dtype="float32", name="rate"
        )

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Drop inputs out at the rate, and scale the others up, where it is `training`."""
        if not training:
            return inputs
        draw = keras.random.uniform(ops.shape(inputs), dtype="float32", seed=self.seed_generator)
        scaled = inputs / ops.cast(1 - self.rate, inputs.dtype)
        return ops.where(draw >= self.rate, scaled, ops.zeros_like(scaled))


@dataclass(frozen=True)
class Layers:
    """The layer classes that an engine may replace by its own, which are called as Keras's are."""

    activation: Callable[..., keras.layers.Layer] = keras.layers.Activation
    convolution: Callable[..., keras.layers.Layer] = keras.layers.Conv2D
    dense: Callable[..., keras.layers.Layer] = keras.layers.Dense
    max_pooling: Callable[..., keras.layers.Layer] = keras.layers.MaxPooling2D
    normalization: Callable[..., keras.layers.Layer] = keras.layers.BatchNormalization


def build_network(
    config: ModelConfig,
    precision: str = "float32",
    dropout: keras.layers.Layer | None = None,
    layers: Layers = Layers(),
) -> keras.Model:
    """Build the network: pixels of shape (n, 28, 28, 1) in 0-1 to outputs of shape (n, 10).

    Pre-activations are the outputs of the layers `conv1`, `conv2`, ..., `dense1`, ..., `output`,
    whose activations are layers of their own. With precision "bfloat16" all but the last layer
    compute in it; weights are always float32. `dropout` replaces Keras's own dropout layer, and
    `layers` others of its layers.
    """
    if dropout is None:
        dropout = keras.layers.Dropout(config.dropout, name="dropout")
    blocks = _Blocks(config, precision, layers)
    x = inputs = keras.Input((IMAGE_SIDE, IMAGE_SIDE, 1), name="pixels")
    for number, filters in enumerate(config.filters, 1):
        x = blocks.convolution(x, number, filters)
    x = blocks.flatten(x)
    if config.filters:
        x = dropout(x)
    for number, units in enumerate(config.dense_units, 1):
        x = blocks.dense(x, number, units)
        if not config.filters and number == 1:
            x = dropout(x)
    return keras.Model(inputs, blocks.output(x), name=config.architecture)


class _Blocks:
    """What a network is built of: each block is a layer with weights and what follows it."""

    def __init__(self, config: ModelConfig, precision: str, layers: Layers) -> None:
        self._config, self._layers = config, layers
        self._policy = "mixed_bfloat16" if precision == "bfloat16" else "float32"
        self._biased = not config.batch_normalization  # which has a bias of its own

    def convolution(self, x: Tensor, number: int, filters: int) -> Tensor:
        """Convolution `number`, from 1, halved in size and activated."""
        name = f"conv{number}"
        x = self._layers.convolution(
            filters,
            self._config.kernel_size,
            padding="same" if self._config.keeps_size(number - 1) else "valid",
            use_bias=self._biased,
            name=name,
            dtype=self._policy,
        )(x)
        # Max pooling comes first: it leaves the activation a quarter of the work, and the maximum
        # of a function that never falls is the function of the maximum. GELU, SiLU and Mish do
        # fall, below zero: their networks differ from those of the usual order, and are several
        # times as fast.
        if self._config.architecture == "lenet5":
            return self._halved(self._activated(x, name), number)
        return self._activated(self._halved(x, number), name)

    def _halved(self, x: Tensor, number: int) -> Tensor:
        lenet = self._config.architecture == "lenet5"
        pool = keras.layers.AveragePooling2D if lenet else self._layers.max_pooling
        return pool(2, name=f"pool{number}", dtype=self._policy)(x)

    def flatten(self, x: Tensor) -> Tensor:
        """One row an image."""
        return keras.layers.Flatten(name="flatten", dtype=self._policy)(x)

    def dense(self, x: Tensor, number: int, units: int) -> Tensor:
        """Dense layer `number`, from 1, activated."""
        name = f"dense{number}"
        x = self._layers.dense(units, use_bias=self._biased, name=name, dtype=self._policy)(x)
        return self._activated(x, name)

    def _activated(self, x: Tensor, name: str) -> Tensor:
        if self._config.batch_normalization:
            x = self._layers.normalization(
                momentum=MOVING_AVERAGE_MOMENTUM, name=f"{name}_normalization", dtype=self._policy
            )(x)
        return self._layers.activation(
            self._config.activation, name=f"{name}_activation", dtype=self._policy
        )(x)

    def output(self, x: Tensor) -> Tensor:
        """The output layer, always float32."""
        x = keras.layers.Dense(CLASSES, name="output", dtype="float32")(x)
        return keras.layers.Activation(
            self._config.output_activation, name="output_activation", dtype="float32"
        )(x)


def weighted_layers(network: keras.Model) -> list[str]:
    """The names of the layers that have kernels, in forward order; the last one is `output`."""
    return [layer.name for layer in network.layers if hasattr(layer, "kernel")]


def state_variables(network: keras.Model) -> list[Variable]:
    """All that training changes: the trainable variables, then batch normalisation's averages."""
    averages = [
        average
        for layer in network.layers
        if isinstance(layer, keras.layers.BatchNormalization)
        for average in (layer.moving_mean, layer.moving_variance)
    ]
    return [*network.trainable_variables, *averages]


def pre_activation(network: keras.Model, layer: str) -> Tensor:
    """The symbolic input of a layer's activation, which is taken after pooling and
    normalisation."""
    return network.get_layer(f"{layer}_activation").input


def logits_network(network: keras.Model) -> keras.Model:
    """The same network up to the output layer's pre-activations, shape (n, 10)."""
    return keras.Model(network.inputs, pre_activation(network, "output"))


def probe_network(network: keras.Model) -> keras.Model:
    """The same network, whose outputs are the pre-activations of every layer, in forward order."""
    names = weighted_layers(network)
    return keras.Model(network.inputs, [pre_activation(network, name) for name in names])


def layers_before_dropout(network: keras.Model) -> frozenset[str]:
    """The layers with weights that no dropout precedes."""
    names = [layer.name for layer in network.layers]
    return frozenset(names[: names.index("dropout")]) & frozenset(weighted_layers(network))


def initialise(
    network: keras.Model, seed: int | Tensor, stream: keras.random.SeedGenerator | None = None
) -> None:
    """Set all weights anew, in place, by Keras's default initialisers and from `seed` alone.

    In a compiled function `seed` is a tensor, a whole number of shape (), and the random numbers
    need a `stream` that was made outside of it.
    """
    stream = stream or keras.random.SeedGenerator(0)
    draw = keras.initializers.GlorotUniform(seed=stream)
    for number, variable in enumerate(state_variables(network)):
        if variable.name == "kernel":
            begin_stream(stream, (seed * 100 + number) % 2**32)
            variable.assign(draw(variable.shape, dtype=variable.dtype))
        elif variable.name in ("gamma", "moving_variance"):
            variable.assign(ops.ones(variable.shape, dtype=variable.dtype))
        else:
            variable.assign(ops.zeros(variable.shape, dtype=variable.dtype))


def begin_stream(stream: keras.random.SeedGenerator, seed: int | Tensor) -> None:
    """Begin a stream of random numbers as Keras does from this seed, which is below 2**32."""
    kind = stream.state.dtype
    stream.state.assign(ops.stack([ops.convert_to_tensor(seed, kind), ops.zeros((), kind)]))


def export_network(config: ModelConfig, weights: Sequence[np.ndarray]) -> keras.Model:
    """A plain float32 model of Keras's own layers with the given values of `state_variables`."""
    network = build_network(config)
    for variable, value in zip(state_variables(network), weights, strict=True):
        variable.assign(value)
    return network
