"""A Keras network and what is computed with it: outputs, losses, gradients. TensorFlow only.

Nothing is compiled here; the methods that take tensors are called from compiled functions.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from fmnist_model.config import ModelConfig
from fmnist_model.network import build, cross_entropy
from fmnist_model.tensorflow_engine.batch_norm import FusedBatchNormalization
from fmnist_model.tensorflow_engine.images import scaled

Tensor = Any  # TensorFlow has no types


class Backward(NamedTuple):
    """A forward and a backward pass: gradients in the order of the trainable variables, the mean
    loss, the loss of each image, shape (n,), and the output layer's pre-activations, (n, 10)."""

    gradients: list[Tensor]
    loss: Tensor
    losses: Tensor
    logits: Tensor


class TrainableNetwork:
    """One network, whose dropout rate is a variable.

    `variables` are those that have gradients, `state` all that training changes.
    """

    def __init__(self, config: ModelConfig, precision: str) -> None:
        self.config = config
        self.dropout = build.TunableDropout(name="dropout")
        self.model = build.build_network(
            config, precision, self.dropout, build.Layers(normalization=FusedBatchNormalization)
        )
        self._logits_network = build.logits_network(self.model)
        self._probe = build.probe_network(self.model)
        self.variables = self.model.trainable_variables
        self.state = build.state_variables(self.model)
        self._draws = keras.random.SeedGenerator(0)

    def initialise(self, seed: Tensor, dropout: Tensor) -> None:
        """Draw the weights anew, and begin the dropout stream; both from the seed alone."""
        build.initialise(self.model, seed, self._draws)
        build.begin_stream(self.dropout.seed_generator, seed)
        self.dropout.rate.assign(dropout)

    def logits(self, pixels: Tensor, training: bool = False) -> Tensor:
        """The output layer's pre-activations, float32 (n, 10); dropout in `training` only."""
        return self._logits_network(scaled(pixels), training=training)

    def pre_activations(self, pixels: Tensor) -> list[Tensor]:
        """The pre-activations of each layer, without dropout, in the layer's precision."""
        return list(self._probe(scaled(pixels), training=False))

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of each image, float32 (n,)."""
        return cross_entropy(self.config.output_activation, logits, labels)

    def count_correct(self, logits: Tensor, labels: Tensor) -> Tensor:
        """On how many images the greatest output is that of the label, int32 ()."""
        outputs = keras.activations.get(self.config.output_activation)(logits)
        predicted = tf.argmax(outputs, axis=-1, output_type=tf.int32)
        return tf.reduce_sum(tf.cast(predicted == labels, tf.int32))

    def backward(self, pixels: Tensor, labels: Tensor, training: bool) -> Backward:
        """The gradients of the mean loss; with dropout and batch statistics in `training`."""
        with tf.GradientTape() as tape:
            logits = self.logits(pixels, training)
            losses = self.losses(logits, labels)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, [v.value for v in self.variables])
        return Backward(gradients, loss, losses, logits)
