"""What is measured of a network between training steps, compiled: losses, activity, gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from fmnist_model.diagnosis import LayerCount, OutputCount, count_layer, count_output
from fmnist_model.tensorflow_engine.concrete_function import ConcreteFunction
from fmnist_model.tensorflow_engine.images import IMAGES_SPEC, TensorImages
from fmnist_model.tensorflow_engine.trainable_network import TrainableNetwork

Tensor = Any  # TensorFlow has no types


class Measurements:
    """Measures a network without dropout, each kind compiled when it is first asked for."""

    def __init__(self, network: TrainableNetwork) -> None:
        self._network = network
        self._score = ConcreteFunction(self._summed_up, IMAGES_SPEC)
        self._count = ConcreteFunction(self._counted, IMAGES_SPEC)
        self._gradients = ConcreteFunction(self._clean_gradients, IMAGES_SPEC)

    def score(self, images: TensorImages) -> tuple[float, float]:
        """Mean loss and accuracy on these images."""
        loss_sum, correct = 0.0, 0
        for chunk in images.chunks():
            losses, right = self._score(*chunk)
            loss_sum += float(losses)
            correct += int(right)
        return loss_sum / len(images), correct / len(images)

    def _summed_up(self, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        logits = self._network.logits(pixels)
        losses = self._network.losses(logits, labels)
        return tf.reduce_sum(losses), self._network.count_correct(logits, labels)

    def counts(
        self, images: TensorImages
    ) -> Iterator[tuple[int, Sequence[LayerCount | OutputCount]]]:
        """See `fmnist_model.training.inspection.InspectableNetwork.counts`."""
        for chunk in images.chunks():
            yield len(chunk), self._count(*chunk)

    def _counted(self, pixels: Tensor, labels: Tensor) -> list[LayerCount | OutputCount]:
        *hidden, logits = self._network.pre_activations(pixels)
        activation = self._network.config.activation
        layers = [count_layer(values, activation) for values in hidden]
        return [*layers, count_output(logits, labels)]

    def gradients(self, images: TensorImages) -> list[np.ndarray]:
        """The gradients of the mean loss on these images, in the order of the variables."""
        return [gradient.numpy() for gradient in self._gradients(*images)]

    def _clean_gradients(self, pixels: Tensor, labels: Tensor) -> list[Tensor]:
        return self._network.backward(pixels, labels, training=False).gradients
