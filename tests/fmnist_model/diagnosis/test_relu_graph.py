"""Which ReLUs a model has, and whether dead ones cut its outputs off."""

from __future__ import annotations

import keras
import pytest
from keras import layers

from fmnist_model.diagnosis.relu_graph import ReluGraph


def branched() -> keras.Model:
    """Two ReLUs side by side, then one that both lead to."""
    inputs = keras.Input((3,))
    left = layers.Dense(4, activation="relu", name="left")(inputs)
    right = layers.ReLU(name="right")(layers.Dense(4, name="below")(inputs))
    end = layers.Activation("relu", name="end")(layers.Add()([left, right]))
    return keras.Model(inputs, layers.Dense(1, name="head")(end))


def test_all_relus_are_found_from_the_outputs_back():
    relus = list(ReluGraph(branched()).relus)
    assert relus[0] == "end"
    assert set(relus) == {"end", "left", "right"}


@pytest.mark.parametrize(
    ("dead", "cut_off"),
    [
        (["end"], True),
        (["left", "right"], True),
        (["left"], False),
        (["right"], False),
        ([], False),
    ],
)
def test_outputs_are_cut_off_where_no_path_avoids_the_dead(dead, cut_off):
    assert ReluGraph(branched()).outputs_are_cut_off_by(dead) is cut_off


def test_operations_before_and_behind():
    graph = ReluGraph(branched())
    before = {operation.name for operation in graph.operations_before(["right"])}
    assert {"right", "below"} <= before
    assert not {"left", "head"} & before
    behind = {operation.name for operation in graph.operations_behind(["right"])}
    assert {"left", "end", "head"} <= behind
    assert not {"right", "below"} & behind


def test_a_layer_that_is_called_twice_has_two_names():
    inputs = keras.Input((3,))
    relu = layers.ReLU(name="relu")
    model = keras.Model(inputs, relu(layers.Dense(3)(relu(inputs))))
    assert set(ReluGraph(model).relus) == {"relu", "relu:1"}


@pytest.mark.parametrize(
    "layer",
    [
        layers.LeakyReLU(),
        layers.ReLU(negative_slope=0.1),
        layers.ReLU(threshold=0.5),
        layers.Activation("elu"),
        layers.SimpleRNN(3, activation="relu"),
    ],
)
def test_what_is_no_plain_relu(layer):
    inputs = keras.Input((2, 3))
    assert ReluGraph(keras.Model(inputs, layer(inputs))).relus == {}


def test_a_model_without_a_graph_is_refused():
    with pytest.raises(ValueError, match="has no graph of layers"):
        ReluGraph(keras.Sequential([layers.Dense(1)]))
