"""The callback on models that are not ours: what it stops, what it leaves alone, what it admits."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from fmnist_model.diagnosis.keras_callback import StuckRunCallback

RNG = np.random.default_rng(5)
TABLE = RNG.normal(size=(320, 12)).astype("float32")
TARGET = (TABLE @ RNG.normal(size=12)).astype("float32")
DEAD = keras.initializers.Constant(-1e3)


def fit(model, x=TABLE, y=TARGET, loss="mse", optimizer=None, epochs=3, **options):
    model.compile(optimizer or keras.optimizers.SGD(0.01), loss)
    callback = StuckRunCallback(x, y, **options)
    history = model.fit(x, y, epochs=epochs, verbose=0, callbacks=[callback])
    return callback.diagnosis, history.history


def mlp(output="linear", units=1, bias="zeros", below=(), between=()):
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((12,)),
            *below,
            layers.Dense(16, activation="relu", name="first", bias_initializer=bias),
            *between,
            layers.Dense(16, activation="relu", name="second"),
            layers.Dense(units, activation=output, name="head"),
        ]
    )


def residual(dead_branch="zeros", dead_end="zeros"):
    """A small residual CNN: a branch around one convolution, and a ReLU after the sum."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(4, 3, padding="same")(inputs)
    branch = layers.Conv2D(4, 3, padding="same", bias_initializer=dead_branch)(x)
    branch = layers.Activation("relu", name="branch")(branch)
    x = layers.Add()([x, branch])
    x = layers.Conv2D(4, 3, bias_initializer=dead_end)(x)
    x = layers.ReLU(name="end")(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.Flatten()(x)))


IMAGES = RNG.normal(size=(96, 8, 8, 1)).astype("float32")
CLASSES = RNG.integers(0, 3, 96)


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


def test_a_dead_binary_classifier_is_stopped():
    diagnosis, _ = fit(mlp("sigmoid", bias=DEAD), y=(TARGET > 0) * 1.0, loss="binary_crossentropy")
    assert (diagnosis.kind, diagnosis.certain) == ("dead_layer", True)


@pytest.mark.parametrize(
    ("optimizer", "way_out"),
    [
        (keras.optimizers.SGD(0.01, momentum=0.9), "momentum"),
        (keras.optimizers.Adam(), "what Adam remembers of earlier gradients"),
    ],
)
def test_an_optimizer_that_moves_weights_by_itself_proves_nothing(optimizer, way_out):
    diagnosis, _ = fit(mlp(bias=DEAD), optimizer=optimizer)
    assert not diagnosis.certain
    assert diagnosis.evidence["ways_out"] == [way_out]
    assert f"(not proved: {way_out} might still revive it)" in diagnosis.message


@pytest.mark.parametrize(
    ("layer", "way_out"),
    [
        (lambda: layers.Dropout(0.3), "another random mask"),
        (lambda: layers.GaussianNoise(0.1), "another random mask"),
        (lambda: layers.BatchNormalization(), "the statistics of another batch"),
        (lambda: layers.Lambda(lambda x: x), "the layer lambda, a Lambda"),
        (
            lambda: keras.Sequential([layers.Dropout(0.3)], name="inner"),
            "the layer inner, a Sequential",
        ),
    ],
)
def test_what_lies_before_the_dead_layer_matters(layer, way_out):
    below, _ = fit(mlp(bias=DEAD, below=[layer()]))
    assert below.evidence["ways_out"] == [way_out]
    behind, _ = fit(mlp(bias=DEAD, between=[layer()]))
    assert behind.certain


@pytest.mark.parametrize(
    ("layer", "optimizer"),
    [
        (layers.Dense(12, kernel_regularizer="l2"), keras.optimizers.SGD(0.01)),
        (layers.LayerNormalization(beta_regularizer="l2"), keras.optimizers.SGD(0.01)),
        (layers.Dense(12, kernel_constraint="max_norm"), keras.optimizers.SGD(0.01)),
        (layers.Dense(12), keras.optimizers.SGD(0.01, weight_decay=1e-3)),
        (layers.Dense(12), keras.optimizers.SGD(0.01, use_ema=True)),
    ],
)
def test_what_goes_on_reviving_is_never_stopped(layer, optimizer):
    assert fit(mlp(bias=DEAD, below=[layer]), optimizer=optimizer, epochs=4)[0] is None


def test_what_is_not_proved_is_stopped_after_two_epochs():
    diagnosis, history = fit(mlp(bias=DEAD, below=[layers.Dropout(0.3)]), epochs=5)
    assert (diagnosis.certain, len(history["loss"])) == (False, 2)


def test_a_layer_that_also_reaches_the_output_proves_nothing():
    """Both ReLUs are dead, but the second stands on a layer whose bias has a gradient elsewhere."""
    inputs = keras.Input((12,))
    first = layers.Dense(8, activation="relu", bias_initializer=DEAD)(inputs)
    middle = layers.Dense(8)(first)
    second = layers.ReLU()(layers.Add()([middle, layers.Dense(8, bias_initializer=DEAD)(inputs)]))
    outputs = layers.Dense(1)(layers.Concatenate()([middle, second]))
    diagnosis, _ = fit(keras.Model(inputs, outputs), epochs=4)
    assert not diagnosis.certain
    assert "weights that reach the outputs another way" in diagnosis.evidence["ways_out"]


def test_a_relu_output_that_has_learned_is_not_dead():
    """Positive everywhere, and a loss that asks for no more: no gradient, and nothing wrong."""

    def tube(y, predicted):
        return keras.ops.relu(keras.ops.abs(y - predicted) - 50.0)

    diagnosis, _ = fit(mlp("relu", bias="ones"), y=np.abs(TARGET)[:, None], loss=tube)
    assert diagnosis is None


def test_single_samples_are_summed_up_otherwise():
    diagnosis, _ = fit(mlp(bias=DEAD), TABLE[:257], TARGET[:257])
    assert diagnosis.evidence["ways_out"] == ["rounding"]


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


def test_a_generator_is_refused():
    with pytest.raises(ValueError, match="x is generator, which is neither arrays nor"):
        StuckRunCallback(x for x in [TABLE])


def test_a_frozen_layer_is_not_a_dead_one():
    model = mlp()
    model.get_layer("first").trainable = False
    assert fit(model)[0] is None


def test_a_dead_layer_that_is_frozen_stays_dead_under_any_optimizer():
    model = mlp(bias=DEAD)
    model.get_layer("first").trainable = False
    diagnosis, _ = fit(model, optimizer=keras.optimizers.Adam())
    assert diagnosis.certain


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


def test_a_loss_that_is_not_finite_ends_the_run():
    diagnosis, history = fit(mlp(), y=TARGET * np.float32(1e30), epochs=3)
    assert diagnosis.kind == "non_finite"
    assert len(history["loss"]) == 1


def test_a_unit_that_only_rare_samples_wake_is_alive():
    """Zero on the first batch, which is all that most looks are at, and not on the last sample."""
    x = np.zeros((320, 12), "float32")
    x[-1] = 2e4
    diagnosis, _ = fit(
        mlp(bias=DEAD), x, np.zeros(320, "float32"), epochs=1, optimizer=keras.optimizers.SGD(0.0)
    )
    assert diagnosis is None


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
