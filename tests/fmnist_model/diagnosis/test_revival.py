"""What might revive a dead layer is named; nothing is proved then."""

from __future__ import annotations

import keras
import pytest
from keras import layers

from tests.fmnist_model.diagnosis.keras_models import (
    DEAD,
    TABLE,
    TARGET,
    fit,
    mlp,
)


@pytest.mark.parametrize(
    ("optimizer", "path"),
    [
        (keras.optimizers.SGD(0.01, momentum=0.9), "momentum"),
        (keras.optimizers.Adam(), "what Adam remembers of earlier gradients"),
    ],
)
def test_an_optimizer_that_moves_weights_by_itself_proves_nothing(optimizer, path):
    diagnosis, _ = fit(mlp(bias=DEAD), optimizer=optimizer)
    assert not diagnosis.certain
    assert diagnosis.evidence["ways_out"] == [path]
    assert f"(not proved: {path} might still revive it)" in diagnosis.message


@pytest.mark.parametrize(
    ("layer", "path"),
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
def test_what_lies_before_the_dead_layer_matters(layer, path):
    below, _ = fit(mlp(bias=DEAD, below=[layer()]))
    assert below.evidence["ways_out"] == [path]
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


def test_single_samples_are_summed_up_otherwise():
    diagnosis, _ = fit(mlp(bias=DEAD), TABLE[:257], TARGET[:257])
    assert diagnosis.evidence["ways_out"] == ["rounding"]


def test_a_dead_layer_that_is_frozen_stays_dead_under_any_optimizer():
    model = mlp(bias=DEAD)
    model.get_layer("first").trainable = False
    diagnosis, _ = fit(model, optimizer=keras.optimizers.Adam())
    assert diagnosis.certain
