"""Descent is Keras's own, and velocity can be followed to its end and back."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from fmnist_model.tensorflow_engine.sgd import SGD
from tests.fmnist_model.small_images import BASE, SHORT, changed, trained


@pytest.mark.parametrize(("normalized", "off"), [(False, 2e-5), (True, 2e-4)])
def test_one_step_is_keras_sgd(few, engine, normalized, off):
    """Momentum, weight decay of kernels, batch normalisation: three full batches against Keras.

    Where it is normalised, rounding decides more often which of four pixels is pooled.
    """
    from fmnist_model.network.build import build_network, initialise, state_variables

    model = changed(BASE, dropout=0.0, batch_normalization=normalized)
    train = changed(SHORT, momentum=0.9, batch_size=2000, epochs=3, precision="float32")
    train = changed(train, weight_decay=0.1, learning_rate=0.02 if normalized else 0.2)
    _, ours = trained(engine, model, train)
    network = build_network(model)
    initialise(network, train.seed)
    optimizer = keras.optimizers.SGD(train.learning_rate, momentum=0.9, weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    network.compile(optimizer, keras.losses.SparseCategoricalCrossentropy())
    pixels = few[0].pixels[..., None].astype("float32") / 255
    network.fit(pixels, few[0].labels, batch_size=2000, epochs=3, shuffle=False, verbose=0)
    for mine, theirs in zip(ours, state_variables(network), strict=True):
        np.testing.assert_allclose(mine, tf.convert_to_tensor(theirs), atol=off)


def descent(momentum: float = 0.5):
    weight = keras.Variable([1.0, -2.0], name="kernel")
    sgd = SGD([weight])
    sgd.begin(weight_decay=0.0, momentum=momentum)
    return sgd, weight


def test_weights_stay_where_the_loss_is_not_finite():
    sgd, weight = descent()
    sgd.update([tf.constant([np.nan, 1.0])], tf.constant(0.1), tf.constant(False))
    np.testing.assert_array_equal(weight, [1.0, -2.0])


def test_after_momentum_is_where_steps_without_a_gradient_lead():
    sgd, weight = descent()
    sgd.update([tf.constant([4.0, 2.0])], tf.constant(0.1), tf.constant(True))
    before = weight.numpy()
    with sgd.after_momentum(0.1):
        seen = weight.numpy()
    np.testing.assert_array_equal(weight, before)
    for _ in range(60):
        sgd.update([tf.zeros(2)], tf.constant(0.1), tf.constant(True))
    np.testing.assert_allclose(weight, seen, rtol=1e-6)


def test_a_new_trial_begins_without_velocity():
    sgd, _ = descent()
    sgd.update([tf.constant([4.0, 2.0])], tf.constant(0.1), tf.constant(True))
    sgd.begin(0.0, 0.9)
    np.testing.assert_array_equal(sgd.velocity[0], [0.0, 0.0])
