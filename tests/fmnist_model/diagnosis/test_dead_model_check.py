"""Which models are dead, on models that are not ours."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from fmnist_model.diagnosis.keras_callback import StuckRunCallback
from tests.fmnist_model.diagnosis.keras_models import (
    CLASSES,
    DEAD,
    IMAGES,
    RNG,
    TABLE,
    TARGET,
    fit,
    mlp,
    residual,
)


def test_a_relu_output_that_has_learned_is_not_dead():
    """Positive everywhere, and a loss that asks for no more: no gradient, and nothing wrong."""

    def tube(y, predicted):
        return keras.ops.relu(keras.ops.abs(y - predicted) - 50.0)

    diagnosis, _ = fit(mlp("relu", bias="ones"), y=np.abs(TARGET)[:, None], loss=tube)
    assert diagnosis is None


def test_an_activity_regulariser_does_no_harm():
    model = keras.Sequential(
        [
            keras.Input((12,)),
            layers.Dense(8, activation="tanh", activity_regularizer="l2"),
            layers.Dense(10, activation="relu"),
        ]
    )
    y = RNG.integers(0, 10, 320)
    assert fit(model, y=y, loss="sparse_categorical_crossentropy")[0] is None


def test_data_that_can_be_gone_through_once_only_says_nothing():
    def batches():
        yield from iterator

    spec = tf.TensorSpec((None, 12), tf.float32), tf.TensorSpec((None,), tf.float32)
    iterator = iter([(TABLE[i : i + 32], TARGET[i : i + 32]) for i in range(0, 320, 32)] * 4)
    data = tf.data.Dataset.from_generator(batches, output_signature=spec)
    model = mlp()
    model.compile(keras.optimizers.SGD(0.01), "mse")
    callback = StuckRunCallback(data)
    model.fit(data, steps_per_epoch=12, epochs=1, verbose=0, shuffle=False, callbacks=[callback])
    assert callback.diagnosis is None


def test_a_frozen_layer_is_not_a_dead_one():
    model = mlp()
    model.get_layer("first").trainable = False
    assert fit(model)[0] is None


def test_a_skip_connection_keeps_a_dead_branch_alive():
    diagnosis, history = fit(
        residual(dead_branch=DEAD), IMAGES, CLASSES, "sparse_categorical_crossentropy"
    )
    assert diagnosis is None
    assert len(history["loss"]) == 3


def test_a_residual_network_dies_of_the_relu_that_all_paths_share():
    diagnosis, _ = fit(
        residual(dead_branch=DEAD, dead_end=DEAD),
        IMAGES,
        CLASSES,
        "sparse_categorical_crossentropy",
        batch_size=16,
    )
    assert (diagnosis.kind, diagnosis.layer, diagnosis.certain) == ("dead_layer", "end", True)
    assert "branch" not in diagnosis.message


def test_the_papers_output_is_named(few):
    """Not built dead: plain Keras, trained as the paper trained, dies by itself."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="relu"),
        ]
    )
    x, y = few[0].pixels / np.float32(255), few[0].labels
    diagnosis, history = fit(
        model, x, y, "sparse_categorical_crossentropy", keras.optimizers.SGD(0.45), epochs=30
    )
    assert (diagnosis.kind, diagnosis.certain) == ("dead_output", True)
    assert len(history["loss"]) < 30
    with tf.GradientTape() as tape:
        loss = model.compute_loss(y=y, y_pred=model(x))
    assert all(not np.any(g) for g in tape.gradient(loss, model.trainable_variables))


def test_a_dataset_will_do():
    data = tf.data.Dataset.from_tensor_slices((TABLE, TARGET)).batch(32)
    model = mlp(bias=DEAD)
    model.compile(keras.optimizers.SGD(0.01), "mse")
    callback = StuckRunCallback(data)
    model.fit(data, epochs=3, verbose=0, shuffle=False, callbacks=[callback])
    assert callback.diagnosis.evidence["ways_out"] == ["another draw of the dataset"]


def test_a_unit_that_only_rare_samples_wake_is_alive():
    """Zero on the first batch, which is checked first, and not on the last sample."""
    x = np.zeros((320, 12), "float32")
    x[-1] = 2e4
    diagnosis, _ = fit(
        mlp(bias=DEAD), x, np.zeros(320, "float32"), epochs=1, optimizer=keras.optimizers.SGD(0.0)
    )
    assert diagnosis is None


def test_a_dead_binary_classifier_is_stopped():
    diagnosis, _ = fit(mlp("sigmoid", bias=DEAD), y=(TARGET > 0) * 1.0, loss="binary_crossentropy")
    assert (diagnosis.kind, diagnosis.certain) == ("dead_layer", True)
