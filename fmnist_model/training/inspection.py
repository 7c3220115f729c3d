"""What an engine lets be seen of the network that it trains: the same questions for every engine.

An engine says how its network answers; what is made of the answers stands here.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import numpy as np

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.diagnosis.activity import SATURATED_BEYOND, ActivityTally
from fmnist_model.diagnosis.census import Census
from fmnist_model.diagnosis.diagnose import VitalSigns

CHUNK = 1000
"""Images in one forward pass outside training."""
SAMPLE = 2 * CHUNK
"""Images on which the vital signs are taken."""


class NamedWeight(NamedTuple):
    """The value of one variable that training changes, float32, and whose it is."""

    layer: str
    name: str
    value: np.ndarray


class InspectableNetwork(ABC):
    """A network in training, to be looked at between two steps without disturbing it.

    `layers` are those with weights in forward order; no dropout precedes those `before_dropout`.
    """

    config: ModelConfig
    layers: list[str]
    before_dropout: frozenset[str]

    @property
    @abstractmethod
    def images(self) -> int:
        """How many training images there are."""

    @abstractmethod
    def weights(self) -> list[NamedWeight]:
        """All that training changes, in the order of
        `fmnist_model.network.build.state_variables`."""

    @abstractmethod
    def counts(self) -> Iterator[tuple[int, Sequence[Any]]]:
        """The training images in chunks: how many, and what is counted on them without dropout,
        a LayerCount for each hidden layer and an OutputCount
        (`fmnist_model.diagnosis.activity`)."""

    @abstractmethod
    def show(self, epoch: int, train: TrainConfig) -> None:
        """Shuffle and augment the images for an epoch, from the trial's seed and its number."""

    @abstractmethod
    def pre_activations(self, batch: slice) -> list[Any]:
        """Those of each layer on these of the images shown, without dropout, float32."""

    @abstractmethod
    def after_momentum(self, rate: float) -> AbstractContextManager[None]:
        """Within it, the weights are where velocity carries them at this learning rate if no
        gradient comes any more."""

    def census(self) -> Census:
        """Count on all training images which units are active, without dropout.

        Stops once nothing can be dead.
        """
        tally = self._tally()
        for images, counts in self.counts():
            tally.add(images, counts)
            if tally.all_alive():
                break
        return tally.census(self.images)

    def vital_signs(self) -> VitalSigns:
        """Look at the hidden layers on the first SAMPLE training images, without dropout."""
        tally = self._tally()
        for images, counts in itertools.islice(self.counts(), SAMPLE // CHUNK):
            tally.add(images, counts)
        return tally.vital_signs(pinned=self.config.activation in SATURATED_BEYOND)

    def _tally(self) -> ActivityTally:
        return ActivityTally(self.layers[:-1], self.config.output_activation == "relu")

    def non_finite(self, batch: slice) -> tuple[str, str | None]:
        """What is not finite where a run diverged, and in which layer: weights, else outputs.

        `batch` says on which of the images shown it did.
        """
        for layer, name, value in self.weights():
            if not np.all(np.isfinite(value)):
                return f"the {name} of {layer} was made so by the step before", layer
        for layer, seen in zip(self.layers, self.pre_activations(batch), strict=True):
            if not np.all(np.isfinite(np.asarray(seen, np.float32))):
                return f"the pre-activations of {layer} overflow", layer
        return "the loss overflows", "output"
