"""One Keras definition of each network, and of its loss, for every engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from fmnist_model.config import CLASSES, IMAGE_SIDE, ModelConfig

CLIP = 1e-7
"""Keras clips probabilities to [CLIP, 1 - CLIP] before the logarithm (keras.config.epsilon())."""

REMEMBERED = 0.9
"""What batch normalisation's averages keep at each step. Keras's .99 would still be two thirds
initial value after the 48 steps of an epoch in batches of 1000, when the pruner first looks."""


class TunableDropout(keras.layers.Layer):
    """Dropout whose rate is a variable.

    Keras's own layer bakes its rate into the traced program, so that every trial would trace
    again. The layer that is saved is Keras's own: see `export_network`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.seed_generator = keras.random.SeedGenerator(0)

    def build(self, _input_shape: Sequence[int | None]) -> None:
        self.rate = self.add_weight(
            shape=(), initializer="zeros", trainable=False, dtype="float32", name="rate"
        )

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training:
            return inputs
        draw = keras.random.uniform(ops.shape(inputs), dtype="float32", seed=self.seed_generator)
        scaled = inputs / ops.cast(1 - self.rate, inputs.dtype)
        return ops.where(draw >= self.rate, scaled, ops.zeros_like(scaled))


@dataclass(frozen=True)
class Layers:
    """The layers that an engine may replace by its own, called as Keras's are."""

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
    compute in it; weights are float32 always. `dropout` replaces Keras's own dropout layer, and
    `layers` others of its layers.
    """
    policy = "mixed_bfloat16" if precision == "bfloat16" else "float32"
    if dropout is None:
        dropout = keras.layers.Dropout(config.dropout, name="dropout")

    def activation(layer: str) -> keras.layers.Layer:
        return layers.activation(config.activation, name=f"{layer}_activation", dtype=policy)

    x = inputs = keras.Input((IMAGE_SIDE, IMAGE_SIDE, 1), name="pixels")
    lenet = config.architecture == "lenet5"
    pool = keras.layers.AveragePooling2D if lenet else layers.max_pooling
    # Max pooling comes first: it leaves the activation a quarter of the work, and the maximum of a
    # function that never falls is the function of the maximum. GELU, SiLU and Mish do fall, below
    # zero: their networks are others than with the usual order, and several times as fast.
    pool_first = not lenet

    def normalize(x: Any, layer: str) -> Any:
        if not config.batch_normalization:
            return x
        return layers.normalization(
            momentum=REMEMBERED, name=f"{layer}_normalization", dtype=policy
        )(x)

    for number, filters in enumerate(config.filters, 1):
        padding = "same" if config.keeps_size(number - 1) else "valid"
        x = layers.convolution(
            filters,
            config.kernel_size,
            padding=padding,
            use_bias=not config.batch_normalization,
            name=f"conv{number}",
            dtype=policy,
        )(x)
        activate = activation(f"conv{number}")
        reduce = pool(2, name=f"pool{number}", dtype=policy)
        if pool_first:
            x = activate(normalize(reduce(x), f"conv{number}"))
        else:
            x = reduce(activate(normalize(x, f"conv{number}")))
    x = keras.layers.Flatten(name="flatten", dtype=policy)(x)
    if config.filters:
        x = dropout(x)
    for number, units in enumerate(config.dense_units, 1):
        biased = not config.batch_normalization
        x = layers.dense(units, use_bias=biased, name=f"dense{number}", dtype=policy)(x)
        x = activation(f"dense{number}")(normalize(x, f"dense{number}"))
        if not config.filters and number == 1:
            x = dropout(x)
    x = keras.layers.Dense(CLASSES, name="output", dtype="float32")(x)
    outputs = keras.layers.Activation(
        config.output_activation, name="output_activation", dtype="float32"
    )(x)
    return keras.Model(inputs, outputs, name=config.architecture)


def weighted_layers(network: keras.Model) -> list[str]:
    """The names of the layers that have kernels, in forward order; the last one is `output`."""
    return [layer.name for layer in network.layers if hasattr(layer, "kernel")]


def state_variables(network: keras.Model) -> list[Any]:
    """All that training changes: the trainable variables, then batch normalisation's averages."""
    averages = [
        average
        for layer in network.layers
        if isinstance(layer, keras.layers.BatchNormalization)
        for average in (layer.moving_mean, layer.moving_variance)
    ]
    return [*network.trainable_variables, *averages]


def pre_activation(network: keras.Model, layer: str) -> Any:
    """What the activation of a layer sees, after pooling and normalisation: symbolic."""
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
    network: keras.Model, seed: Any, stream: keras.random.SeedGenerator | None = None
) -> None:
    """Set all weights anew, in place: Keras's default initialisers, from `seed` alone.

    In a compiled function `seed` is a tensor, a whole number of shape (), and the random numbers
    need a `stream` that was made outside.
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


def begin_stream(stream: keras.random.SeedGenerator, seed: Any) -> None:
    """Begin a stream of random numbers as Keras does from this seed, below 2**32."""
    kind = stream.state.dtype
    stream.state.assign(ops.stack([ops.convert_to_tensor(seed, kind), ops.zeros((), kind)]))


def cross_entropy(output_activation: str, logits: Any, labels: Any) -> Any:
    """Keras's sparse categorical cross-entropy of each image, float32, shape (n,).

    Written out because Keras's own depends on where the outputs came from: a softmax or sigmoid
    output it swaps for its logits, which then go through softmax (so sigmoid trains exactly as
    softmax does), while a ReLU output is clipped to [CLIP, 1 - CLIP] and its logarithm goes
    through softmax. `logits` are the pre-activations of the output layer, shape (n, 10).
    """
    return cross_entropy_of(scores(output_activation, logits), labels)


def cross_entropy_of(scores: Any, labels: Any) -> Any:
    """Cross-entropy of each image, float32, shape (n,), from what goes through softmax."""
    picked = ops.one_hot(labels, CLASSES, dtype="float32")
    return -ops.sum(picked * ops.log_softmax(scores), axis=-1)


def probabilities(output_activation: str, logits: Any) -> Any:
    """The probabilities, shape (n, 10), of which `cross_entropy` takes the logarithm."""
    return ops.softmax(scores(output_activation, logits))


def scores(output_activation: str, logits: Any) -> Any:
    """What goes through softmax in `cross_entropy` and `probabilities`, float32, shape (n, 10)."""
    logits = ops.cast(logits, "float32")
    if output_activation == "relu":
        return ops.log(ops.clip(ops.relu(logits), CLIP, 1 - CLIP))
    return logits


def export_network(config: ModelConfig, weights: Sequence[Any]) -> keras.Model:
    """A plain float32 model of Keras's own layers with the given values of `state_variables`."""
    network = build_network(config)
    for variable, value in zip(state_variables(network), weights, strict=True):
        variable.assign(value)
    return network
