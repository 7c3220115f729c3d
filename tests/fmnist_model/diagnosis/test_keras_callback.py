"""When the callback stops a run of any functional model, and what it refuses."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from fmnist_model.diagnosis.keras_callback import StuckRunCallback
from tests.fmnist_model.diagnosis.keras_models import (
    DEAD,
    TABLE,
    TARGET,
    fit,
    mlp,
)
from tests.fmnist_model.examples import assert_examples_run


def test_a_dead_regression_is_stopped_and_proved():
    diagnosis, history = fit(mlp(bias=DEAD))
    assert (diagnosis.kind, diagnosis.layer, diagnosis.certain) == ("dead_layer", "first", True)
    assert len(history["loss"]) == 1
    assert "every unit of first is zero on each of 320 training samples" in diagnosis.message


@pytest.mark.parametrize(
    ("output", "loss", "y"),
    [
        ("linear", "mse", TARGET),
        ("sigmoid", "binary_crossentropy", (TARGET > 0).astype("float32")),
        ("relu", "mse", np.abs(TARGET)),
    ],
)
def test_a_living_run_is_left_as_it_is_to_the_last_bit(output, loss, y):
    model = mlp(output)
    assert fit(model, y=y, loss=loss)[0] is None
    alone = mlp(output)
    alone.compile(keras.optimizers.SGD(0.01), loss)
    alone.fit(TABLE, y, epochs=3, verbose=0)
    for one, other in zip(model.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_is_not_proved_is_stopped_after_two_epochs():
    diagnosis, history = fit(mlp(bias=DEAD, below=[layers.Dropout(0.3)]), epochs=5)
    assert (diagnosis.certain, len(history["loss"])) == (False, 2)


def test_a_generator_is_refused():
    with pytest.raises(ValueError, match="x is generator, which is neither arrays nor"):
        StuckRunCallback(x for x in [TABLE])


def test_a_loss_that_is_not_finite_ends_the_run():
    diagnosis, history = fit(mlp(), y=TARGET * np.float32(1e30), epochs=3)
    assert diagnosis.kind == "non_finite"
    assert len(history["loss"]) == 1


def test_a_model_without_a_graph_is_refused():
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(ValueError, match="has no graph of layers; take a functional model"):
        fit(Own())


def test_a_dataset_without_an_end_is_refused():
    data = tf.data.Dataset.from_tensor_slices((TABLE, TARGET)).batch(32).repeat()
    with pytest.raises(ValueError, match="the dataset has no end; take it before"):
        StuckRunCallback(data)


def test_the_examples_run():
    assert_examples_run("fmnist_model.diagnosis.keras_callback")
