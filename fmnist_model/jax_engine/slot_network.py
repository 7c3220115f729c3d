"""The network of one slot, as it is inspected between two training steps. JAX only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.jax_engine.slot_group import SlotGroup
from fmnist_model.jax_engine.state import DeviceWeights
from fmnist_model.network import build
from fmnist_model.training import CHUNK, InspectableNetwork, NamedWeight


class SlotNetwork(InspectableNetwork):
    """The network that a slot of a group trains; nothing that is asked of it disturbs the slot."""

    def __init__(self, group: SlotGroup, slot: int, model: ModelConfig, train: TrainConfig) -> None:
        self.config, self._train = model, train
        self._group, self._trainer, self._slot = group, group.trainer, slot
        keras_model = self._trainer.network.keras_model
        self.layers = build.weighted_layers(keras_model)
        self.before_dropout = build.layers_before_dropout(keras_model)
        self._after_momentum: DeviceWeights | None = None
        self._permutation = np.arange(self.images)

    @property
    def images(self) -> int:
        return len(self._trainer.train_images.labels)

    def _weights(self) -> DeviceWeights:
        return self._after_momentum or self._group.weights(self._slot)

    def weights(self) -> list[NamedWeight]:
        values = jax.device_get(self._weights().trainable)
        return [
            NamedWeight(variable.path.split("/")[-2], variable.name, value)
            for variable, value in zip(self._trainer.network.variables, values, strict=True)
        ]

    def counts(self) -> Iterator[tuple[int, Sequence[Any]]]:
        weights = self._weights()
        for start in range(0, self.images, CHUNK):
            numbers = np.arange(start, min(start + CHUNK, self.images))
            counts = self._trainer.count_active(weights, numbers, self.config.activation)
            yield len(numbers), jax.device_get(counts)  # all at once: each fetch is a round trip

    def show(self, epoch: int, train: TrainConfig) -> None:
        self._permutation = np.random.default_rng([train.seed, epoch]).permutation(self.images)
        self._group.set_permutation(self._slot, self._permutation)

    def pre_activations(self, batch: slice) -> list[jax.Array]:
        return self._trainer.pre_activations(self._weights(), self._permutation[batch])

    @contextmanager
    def after_momentum(self, rate: float) -> Iterator[None]:
        weights: DeviceWeights = jax.device_get(self._weights())
        distance = rate * self._train.momentum / (1 - self._train.momentum)
        pairs = zip(weights.trainable, weights.velocity, strict=True)
        moved = [w - np.float32(distance) * v for w, v in pairs]
        self._after_momentum = weights._replace(trainable=moved)
        try:
            yield
        finally:
            self._after_momentum = None
