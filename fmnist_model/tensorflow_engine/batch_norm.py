"""Batch normalisation by TensorFlow's fused kernel, in the precision of its inputs."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

Tensor = Any  # TensorFlow has no types


class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras's layer, over all axes but the last, computed by the fused kernel in training.

    Keras itself converts the inputs to float32 and normalises in several operations. The fused
    kernel does the same in one pass over inputs of any precision, with sums in float32. The layer
    that is saved is Keras's own: see `fmnist_model.network.build.export_network`.
    """

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Normalise by the batch's statistics in `training`, else by the moving averages."""
        if not training:
            return super().call(inputs, training=False)
        shape = tf.shape(inputs)
        flat = inputs if inputs.shape.rank == 4 else inputs[:, tf.newaxis, tf.newaxis, :]
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            flat,
            tf.convert_to_tensor(self.gamma),
            tf.convert_to_tensor(self.beta),
            epsilon=self.epsilon,
            is_training=True,
        )
        for average, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            average.assign(self.momentum * average + (1 - self.momentum) * new)
        return tf.reshape(outputs, shape)
