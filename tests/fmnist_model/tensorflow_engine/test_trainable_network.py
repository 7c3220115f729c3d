"""Losses, gradients and correct answers are those of the Keras model."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from fmnist_model.tensorflow_engine.trainable_network import TrainableNetwork
from tests.fmnist_model.small_images import BASE, changed

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 28, 28)).astype(np.uint8)
LABELS = tf.constant(np.arange(30) % 10, tf.int32)


@pytest.fixture(scope="module")
def network():
    network = TrainableNetwork(changed(BASE, dropout=0.0), "float32")
    network.initialise(tf.constant(3, tf.int64), tf.constant(0.5))
    return network


def test_correct_answers_are_the_models(network):
    predicted = network.model(PIXELS[..., None].astype("f4") / 255).numpy().argmax(1)
    correct = network.count_correct(network.logits(PIXELS), LABELS)
    assert int(correct) == (predicted == LABELS.numpy()).sum()


def test_dropout_is_in_training_only(network):
    still = network.backward(PIXELS, LABELS, training=False)
    again = network.backward(PIXELS, LABELS, training=False)
    dropped = network.backward(PIXELS, LABELS, training=True)
    assert float(still.loss) == float(again.loss) == pytest.approx(float(np.mean(still.losses)))
    assert float(dropped.loss) != float(still.loss)


def test_the_last_pre_activations_are_the_logits(network):
    values = network.pre_activations(PIXELS)
    assert len(values) == 4
    np.testing.assert_allclose(values[-1], network.logits(PIXELS), rtol=1e-6)


def test_weights_and_dropout_stream_come_from_the_seed(network):
    def drawn(seed: int):
        network.initialise(tf.constant(seed, tf.int64), tf.constant(0.5))
        return network.logits(PIXELS, training=True).numpy()

    np.testing.assert_array_equal(drawn(3), drawn(3))
    assert not np.array_equal(drawn(3), drawn(4))
