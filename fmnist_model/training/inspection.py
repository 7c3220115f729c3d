"""How a run examines the network that an engine trains: the same way for every engine. NumPy only.

An engine implements the abstract methods; what is made of their answers is written here.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.diagnosis import (
    SATURATED_BEYOND,
    ActivityTally,
    Census,
    LayerCount,
    OutputCount,
    VitalSigns,
)

CHUNK = 1000
"""Images in one forward pass outside training."""
SAMPLE = 2 * CHUNK
"""Images on which the vital signs are measured."""


class NamedWeight(NamedTuple):
    """The value of one variable that training changes, float32, and the layer that it is of."""

    layer: str
    name: str
    value: np.ndarray


class InspectableNetwork(ABC):
    """A network in training, which can be examined between two steps without changing it.

    `layers` names those with weights, in forward order, the last of which is `output`;
    `before_dropout` those of them that no dropout precedes.
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
        `fmnist_model.network.build.state_variables`, with the values that they have now."""

    @abstractmethod
    def counts(self) -> Iterator[tuple[int, Sequence[LayerCount | OutputCount]]]:
        """For each chunk of training images: how many images it has, and what is counted on them
        without dropout, a LayerCount for each hidden layer and an OutputCount."""

    @abstractmethod
    def show(self, epoch: int, train: TrainConfig) -> None:
        """Shuffle and augment the images for an epoch, from the trial's seed and its number."""

    @abstractmethod
    def pre_activations(self, batch: slice) -> Sequence[npt.ArrayLike]:
        """The pre-activations of each layer, float32, without dropout, on some of the images shown:
        the first axis is that of the images."""

    @abstractmethod
    def after_momentum(self, rate: float) -> AbstractContextManager[None]:
        """A context in which the weights are where their velocity carries them at this learning
        rate if there is no gradient any more."""

    def census(self) -> Census:
        """Count on all training images which units are active, without dropout.

        Stops early, with an incomplete census, once it is certain that nothing is dead.
        """
        tally = self._tally()
        for images, counts in self.counts():
            tally.add(images, counts)
            if tally.all_alive():
                break
        return tally.census(self.images)

    def vital_signs(self) -> VitalSigns:
        """Measure the hidden layers on the first SAMPLE training images, without dropout."""
        tally = self._tally()
        for images, counts in itertools.islice(self.counts(), SAMPLE // CHUNK):
            tally.add(images, counts)
        return tally.vital_signs(pinned=self.config.activation in SATURATED_BEYOND)

    def _tally(self) -> ActivityTally:
        return ActivityTally(self.layers[:-1], self.config.output_activation == "relu")

    def non_finite(self, batch: slice) -> tuple[str, str | None]:
        """What is not finite in a run that has diverged, and in which layer: weights, else outputs.

        `batch` says for which of the images shown the loss was not finite.
        """
        for layer, name, value in self.weights():
            if not np.all(np.isfinite(value)):
                return f"the {name} of {layer} was made so by the step before", layer
        for layer, values in zip(self.layers, self.pre_activations(batch), strict=True):
            if not np.all(np.isfinite(np.asarray(values, np.float32))):
                return f"the pre-activations of {layer} overflow", layer
        return "the loss overflows", "output"
