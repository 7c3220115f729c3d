"""A dimension is a list of choices or a range; the space has one for each hyperparameter."""

from __future__ import annotations

import copy
import doctest
import pickle

import pytest

from fmnist_model.hyperparameters import HYPERPARAMETERS
from search.presets import dimension
from search.presets.dimension import SPACE
from tests.search.presets.sentences import sentence


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"lr": [0.1]}, "space.lr: unknown key"),
        ({"activation": []}, "space.activation: the list of choices is empty"),
        ({"activation": ["relu", "relu"]}, "space.activation: the list of choices names a choice"),
        ({"activation": "relu"}, "expected a list of choices or {low, high}, got 'relu'"),
        ({"dropout": {"choices": [0.1], "low": 0}}, "choices go without low, high, log and step"),
        ({"learning_rate": {"low": 0.3}}, "a range needs both low and high"),
        ({"learning_rate": {"low": 0.3, "high": 0.2}}, "low 0.3 is above high 0.2"),
        ({"learning_rate": {"low": "a", "high": 1}}, "space.learning_rate.low: input should be"),
        ({"learning_rate": {"low": 0.1, "high": float("inf")}}, "finite number, got inf"),
        ({"learning_rate": {"low": 1, "high": 2, "step": 0}}, "space.learning_rate.step: input"),
        ({"dropout": {"low": 0, "high": 0.5, "log": True}}, "a logarithmic range starts above 0"),
        (
            {"dropout": {"low": 0.1, "high": 0.5, "log": True, "step": 0.1}},
            "a logarithmic range has no step",
        ),
    ],
)
def test_a_fault_is_one_sentence(space, said):
    assert said in sentence({"space": space})


def test_the_space_has_a_field_for_each_hyperparameter_in_their_order():
    assert list(SPACE.model_fields) == list(HYPERPARAMETERS)


def test_dimensions_come_in_the_order_of_the_hyperparameters_not_of_the_file():
    space = SPACE.model_validate({"shift": [0, 1], "dropout": [0.1], "architecture": ["cnn"]})
    assert list(space.dimensions()) == ["architecture", "dropout", "shift"]


def test_a_space_can_be_pickled_and_copied():
    space = SPACE.model_validate({"dropout": {"low": 0, "high": 0.5}, "shift": [0, 1]})
    assert pickle.loads(pickle.dumps(space)) == copy.deepcopy(space) == space


def test_the_examples_of_the_documentation():
    assert doctest.testmod(dimension) == (0, 2)
