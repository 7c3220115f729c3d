"""Batch normalisation by TensorFlow's fused kernel, in the precision of its inputs."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras's layer, which takes its inputs apart in float32, over all axes but the last.

    The fused kernel does the same in one pass, with sums in float32. What is saved is Keras's own
    layer: see `fmnist_model.network.build.export_network`.
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
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
        for average, seen in ((self.moving_mean, mean), (self.moving_variance, variance)):
            average.assign(self.momentum * average + (1 - self.momentum) * seen)
        return tf.reshape(outputs, shape)
