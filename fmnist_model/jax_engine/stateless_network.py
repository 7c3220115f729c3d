"""One Keras network that computes with whatever weights it is given. JAX only."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.jax_engine.layers import (
    CONVOLUTION_LAYERS,
    Convolution,
    Dense,
    PairwiseMaxPooling,
    SelectedActivation,
)
from fmnist_model.jax_engine.state import AnyArray, DeviceWeights, SlotWeights
from fmnist_model.network import build
from fmnist_model.training import NetworkState


class StatelessNetwork:
    """The network that all slots share: the shape is its own, the weights are the caller's.

    Activation, output activation and dropout rate are weights, too: those in `model` do not
    matter, but a slot's activation must be among `activations`. `keras_model` ends in softmax.
    """

    def __init__(
        self,
        model: ModelConfig,
        precision: str,
        activations: Sequence[str],
        convolution: Convolution,
    ) -> None:
        self.activations = tuple(activations)
        self.keras_model = _build(model, precision, self.activations, convolution)
        self._logits_network = build.logits_network(self.keras_model)
        self._probe = build.probe_network(self.keras_model)
        self.variables = self.keras_model.trainable_variables
        self.state_variables = self._logits_network.non_trainable_variables
        assert [v.path for v in self._probe.non_trainable_variables] == [
            v.path for v in self.state_variables
        ]

    def training_logits(
        self, trainable: list[jax.Array], state: list[jax.Array], pixels: jax.Array
    ) -> tuple[jax.Array, list[jax.Array]]:
        """Logits, float32 (n, 10), of uint8 pixels (n, 28, 28) with dropout, and the next state."""
        logits, state = self._logits_network.stateless_call(
            trainable, state, _scale(pixels), training=True
        )
        return logits, state

    def logits(self, weights: DeviceWeights, pixels: jax.Array) -> jax.Array:
        """Logits, float32 (n, 10), of uint8 pixels (n, 28, 28) without dropout."""
        logits: jax.Array = self._logits_network.stateless_call(
            weights.trainable, weights.state, _scale(pixels), training=False
        )[0]
        return logits

    def pre_activations(self, weights: DeviceWeights, pixels: jax.Array) -> list[jax.Array]:
        """The pre-activations, shape (n, ..., units), of every layer without dropout."""
        outputs: list[jax.Array] = self._probe.stateless_call(
            weights.trainable, weights.state, _scale(pixels), training=False
        )[0]
        return outputs

    def empty_weights(self, slots: int) -> DeviceWeights:
        """Zeros for all slots, each of shape (slots, ...)."""

        def stack(variables: Sequence[keras.Variable]) -> list[jax.Array]:
            return [jnp.zeros((slots, *v.shape), v.dtype) for v in variables]

        return DeviceWeights(*map(stack, (self.variables, self.variables, self.state_variables)))

    def first_weights(
        self, model: ModelConfig, train: TrainConfig, given: Sequence[AnyArray] | None = None
    ) -> SlotWeights[Any]:
        """What a slot holds when a trial begins: `given` weights, or those that its seed draws.

        The dropout stream begins at the seed; velocity is zero. The arrays are JAX's or NumPy's.
        """
        own = {
            "activation_index": np.int32(self.activations.index(model.activation)),
            "rate": np.float32(model.dropout),
            "seed_generator_state": np.array([train.seed, 0], np.uint32),
        }
        trainable = self.draw(train.seed) if given is None else list(given)
        velocity = [np.zeros(variable.shape, np.float32) for variable in self.variables]
        state = [own[variable.name] for variable in self.state_variables]
        return DeviceWeights(trainable, velocity, state)

    def snapshot(self, weights: DeviceWeights) -> NetworkState:
        """All that training has made of one slot's network, copied from the device."""
        trainable, velocity, state = jax.device_get(weights)
        return NetworkState(trainable, velocity, state[self._dropout_stream])

    def restored(self, weights: DeviceWeights, kept: NetworkState) -> SlotWeights[Any]:
        """One slot's weights with all that a snapshot has kept."""
        state: list[Any] = list(weights.state)
        state[self._dropout_stream] = kept.stream
        return DeviceWeights(list(kept.weights), list(kept.velocity), state)

    @property
    def _dropout_stream(self) -> int:
        return [v.name for v in self.state_variables].index("seed_generator_state")

    def draw(self, seed: int) -> list[jax.Array]:
        """Initial values of all trainable variables, drawn from a seed."""
        build.initialise(self.keras_model, seed)
        return [variable.value for variable in self.variables]


def _build(
    model: ModelConfig, precision: str, activations: tuple[str, ...], convolution: Convolution
) -> keras.Model:
    layers = build.Layers(
        activation=partial(SelectedActivation, names=activations),
        convolution=CONVOLUTION_LAYERS[convolution],
        dense=Dense,
        max_pooling=PairwiseMaxPooling,
    )
    return build.build_network(
        model.model_copy(update={"output_activation": "softmax"}),
        precision,
        build.TunableDropout(name="dropout"),
        layers,
    )


def _scale(pixels: jax.Array) -> jax.Array:
    """Bytes of shape (n, 28, 28) as float32 in 0-1, of shape (n, 28, 28, 1)."""
    return pixels[..., jnp.newaxis].astype(jnp.float32) / 255
