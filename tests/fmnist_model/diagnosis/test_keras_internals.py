"""Keras's private names are still there and mean what the diagnosis takes them for."""

from __future__ import annotations

import keras
import numpy as np

from fmnist_model.diagnosis.keras_internals import (
    call_number,
    compiled_loss,
    inputs_of,
    is_functional,
    is_kerass_own,
    operation_of,
)


def test_tensors_know_their_operation_their_call_and_its_inputs():
    first, second = keras.Input((3,)), keras.Input((3,))
    dense = keras.layers.Dense(2)
    one, other = dense(first), dense(second)
    assert operation_of(one) is operation_of(other) is dense
    assert (call_number(one), call_number(other)) == (0, 1)
    assert (inputs_of(one)[0] is first, inputs_of(other)[0] is second) == (True, True)
    assert inputs_of(first) == []


def test_the_compiled_loss_is_without_what_layers_add():
    inputs = keras.Input((3,))
    outputs = keras.layers.Dense(1, kernel_regularizer="l2", activity_regularizer="l2")(inputs)
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    x, y = np.ones((4, 3), "f4"), np.zeros((4, 1), "f4")
    predicted = model(x)
    np.testing.assert_allclose(compiled_loss(model, y, predicted), np.mean(predicted**2), 1e-6)


class Own(keras.Model):
    """A class of a user's own."""


def test_what_is_keras_own():
    inputs = keras.Input((3,))
    assert is_functional(keras.Model(inputs, keras.layers.Dense(1)(inputs)))
    assert not is_functional(keras.Sequential([inputs]))
    assert not is_functional(Own(inputs, keras.layers.Dense(1)(inputs)))
    assert is_kerass_own(keras.activations.relu)
    assert is_kerass_own(keras.losses.MeanSquaredError)
    assert not is_kerass_own(np.sum)
