"""One network with its compiled program, on data that lives on the device; trials take turns on it.

Learning rates, momentum, dropout rate, batch size and the like are inputs of the program, and
weights are set anew in place, so that it is traced once whatever the trials ask of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.diagnosis import LayerCount, OutputCount
from fmnist_model.network import build
from fmnist_model.tensorflow_engine.augmentation import augment
from fmnist_model.tensorflow_engine.concrete_function import ConcreteFunction
from fmnist_model.tensorflow_engine.images import TensorImages
from fmnist_model.tensorflow_engine.measurements import Measurements
from fmnist_model.tensorflow_engine.sgd import SGD
from fmnist_model.tensorflow_engine.trainable_network import TrainableNetwork
from fmnist_model.tensorflow_engine.training_loop import TrainingLoop
from fmnist_model.training import (
    InspectableNetwork,
    NamedWeight,
    NetworkState,
    TrainReply,
    TrainRequest,
)

Tensor = Any  # TensorFlow and Keras have no types
Variable = Any

SETTINGS_SPEC = [tf.TensorSpec((), tf.int64), tf.TensorSpec((3,), tf.float32)]
"""The seed; weight decay, momentum and dropout rate."""


class TrainingProgram(InspectableNetwork):
    """A network with all that trains and examines it on the images `train`.

    The parts are `trainable`, the network; `sgd`, its optimizer; and `loop`, which trains it.
    """

    def __init__(self, config: ModelConfig, precision: str, train: TensorImages) -> None:
        self.config = config
        self.trainable = TrainableNetwork(config, precision)
        self.sgd = SGD(self.trainable.variables)
        self.loop = TrainingLoop(self.trainable, self.sgd)
        self.layers = build.weighted_layers(self.network)
        self.before_dropout = build.layers_before_dropout(self.network)
        self._measurements = Measurements(self.trainable)
        self._data = self._shown = train
        # Compiled: drawn operation by operation, the first weights take 10 ms a trial instead of 2.
        self._reset = ConcreteFunction(self._begin, SETTINGS_SPEC)
        self._augment = tf.function(augment)

    @property
    def network(self) -> keras.Model:
        """The Keras model."""
        return self.trainable.model

    @property
    def variables(self) -> list[Variable]:
        """The trainable variables."""
        return list(self.trainable.variables)

    @property
    def state(self) -> list[Variable]:
        """All variables that training changes: see `fmnist_model.network.build.state_variables`."""
        return self.trainable.state

    @property
    def images(self) -> int:
        """How many training images there are."""
        return len(self._data)

    def reset(self, train: TrainConfig, dropout: float) -> None:
        """Begin a trial: weights, velocity and the dropout stream from its seed alone."""
        self._reset(
            tf.constant(train.seed, tf.int64),
            tf.constant((train.weight_decay, train.momentum, dropout), tf.float32),
        )

    def _begin(self, seed: Tensor, settings: Tensor) -> None:
        weight_decay, momentum, dropout = tf.unstack(settings)
        self.trainable.initialise(seed, dropout)
        self.sgd.begin(weight_decay, momentum)

    def snapshot(self) -> NetworkState:
        """All that training has made of the network, copied from the device."""
        return NetworkState(
            [variable.numpy() for variable in self.state],
            [velocity.numpy() for velocity in self.sgd.velocity],
            self._dropout_stream.numpy(),
        )

    def restore(self, kept: NetworkState) -> None:
        """Go on from a snapshot, once the trial has been reset."""
        variables = [*self.state, *self.sgd.velocity, self._dropout_stream]
        values = [*kept.weights, *kept.velocity, kept.stream]
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    @property
    def _dropout_stream(self) -> Variable:
        return self.trainable.dropout.seed_generator.state

    def show(self, epoch: int, train: TrainConfig) -> None:
        """Shuffle and augment the images for an epoch, from the trial's seed and its number."""
        order = tf.constant(np.random.default_rng([train.seed, epoch]).permutation(self.images))
        pixels, labels = (
            tf.raw_ops.GatherV2(params=part, indices=order, axis=0) for part in self._data
        )
        if train.flip or train.shift:
            pixels = self._augment(
                pixels,
                tf.constant([train.seed, epoch]),
                tf.constant(train.flip),
                tf.constant(float(train.shift)),
            )
        self._shown = TensorImages(pixels, labels)

    def train(self, request: TrainRequest) -> TrainReply:
        """Train on the images shown, as the request asks."""
        return self.loop.run(self._shown, request)

    def score(self, images: TensorImages) -> tuple[float, float]:
        """Mean loss and accuracy on `images`, without dropout."""
        return self._measurements.score(images)

    def gradients(self, chosen: np.ndarray) -> list[np.ndarray]:
        """The gradients of the mean loss on these training images, without dropout."""
        indices = tf.constant(chosen, tf.int32)
        images = TensorImages(*(tf.gather(part, indices) for part in self._data))
        return self._measurements.gradients(images)

    def weights(self) -> list[NamedWeight]:
        """See `InspectableNetwork`."""
        return [NamedWeight(v.path.split("/")[-2], v.name, v.numpy()) for v in self.state]

    def counts(self) -> Iterator[tuple[int, Sequence[LayerCount | OutputCount]]]:
        """See `InspectableNetwork`."""
        return self._measurements.counts(self._data)

    def pre_activations(self, batch: slice) -> list[npt.ArrayLike]:
        """See `InspectableNetwork`."""
        values = self.trainable.pre_activations(self._shown.pixels[batch])
        return [tf.cast(each, tf.float32) for each in values]

    def after_momentum(self, rate: float) -> AbstractContextManager[None]:
        """See `InspectableNetwork`."""
        return self.sgd.after_momentum(rate)
