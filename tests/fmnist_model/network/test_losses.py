"""The loss is Keras's own, and the probabilities are those that it is computed from."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from fmnist_model.config import PROBABILITY_CLIP
from fmnist_model.network.losses import cross_entropy, probabilities


def test_the_clip_is_keras_default():
    assert keras.config.epsilon() == PROBABILITY_CLIP


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "relu"])
def test_the_loss_and_its_gradient_are_keras(output):
    """Against Keras's own loss on the outputs of a layer, as the paper trained."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(64, 20)).astype("float32"), rng.integers(0, 10, 64)
    layer = keras.layers.Dense(10, kernel_initializer=keras.initializers.RandomNormal(seed=2))
    activation = keras.layers.Activation(output)
    inputs = keras.Input((20,))
    model = keras.Model(inputs, activation(layer(inputs)))
    with tf.GradientTape() as tape:
        theirs = keras.losses.SparseCategoricalCrossentropy()(y, model(x))
    their_gradient = tape.gradient(theirs, layer.kernel.value)
    with tf.GradientTape() as tape:
        ours = tf.reduce_mean(cross_entropy(output, layer(x), y))
    our_gradient = tape.gradient(ours, layer.kernel.value)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    np.testing.assert_allclose(our_gradient, their_gradient, rtol=1e-4, atol=1e-7)


def test_a_dead_relu_output_has_the_closed_loss_and_no_gradient():
    logits = tf.Variable([[5.0, 5.0, 5.0, 5.0, *[-1.0] * 6]] * 10)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(cross_entropy("relu", logits, np.arange(10)))
    np.testing.assert_allclose(loss, 0.6 * 16.1181 + np.log(4), rtol=1e-5)
    assert not np.any(tape.gradient(loss, logits))


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "relu"])
def test_the_loss_is_minus_the_logarithm_of_the_labels_probability(output):
    rng = np.random.default_rng(2)
    logits, labels = rng.normal(size=(32, 10)).astype("float32"), rng.integers(0, 10, 32)
    sure = probabilities(output, logits).numpy()
    np.testing.assert_allclose(sure.sum(axis=1), 1, rtol=1e-6)
    losses = cross_entropy(output, logits, labels)
    np.testing.assert_allclose(losses, -np.log(sure[np.arange(32), labels]), rtol=1e-4, atol=1e-6)
