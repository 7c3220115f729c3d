"""What a preset's parts say of each other is checked, and a fault is one sentence."""

from __future__ import annotations

import pytest

from tests.search.presets.sentences import RANGE, RELU, sentence


def arm(**params):
    return [{"name": "a", "params": params}]


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"activation": ["rely"]}, "space.activation: input should be 'sigmoid'"),
        ({"activation": {"low": 1, "high": 2}}, "expected a list of choices, not a range"),
        ({"flip": {"low": 0, "high": 1}}, "space.flip: expected a list of choices, not a range"),
        ({"filters": {"low": 8, "high": 9}}, "space.filters: expected a list of choices, not a"),
        ({"learning_rate": {"low": 0, "high": 1}}, "space.learning_rate: input should be greater"),
        ({"learning_rate": [0.1, -1]}, "greater than 0, got -1"),
        ({"dropout": {"low": 0, "high": 1}}, "space.dropout: input should be less than 1"),
        ({"batch_size": {"low": 1.5, "high": 9}}, "expected whole numbers, got 1.5"),
        ({"batch_size": {"low": 1, "high": 9, "step": 0.5}}, "expected whole numbers, got 0.5"),
        ({"filters": [[8, 0]]}, "space.filters.1: input should be greater than"),
        ({"filters": [16, 32]}, "space.filters: input should be a list, got 16"),
        ({"kernel_size": {"low": 3, "high": 20}}, "leave nothing of a 28x28 image"),
    ],
)
def test_a_dimension_that_the_configuration_does_not_take(space, said):
    assert said in sentence({"space": space})


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"model": {"droput": 0.1}}, "model.droput: unknown key"),
        ({"model": {"activation": "tanh"}}, "is also in space.activation; keep one"),
        ({"model": {"architecture": ["cnn"]}}, "model.architecture: input should be"),
        ({"train": {"epochs": 0}}, "train.epochs: input should be greater than"),
    ],
)
def test_fixed_values_that_the_configuration_does_not_take(section, said):
    assert said in sentence({"space": RELU, **section})


@pytest.mark.parametrize(
    ("space", "arms", "said"),
    [
        (RELU, arm(dropout=0), "arms.a.dropout: not in the space; search it or remove it here"),
        (RELU, arm(activation="elu"), "'elu' is not among the choices in space.activation"),
        (RANGE, arm(learning_rate=9), "arms.a.learning_rate: 9 is outside 0.1 to 0.2 of space"),
        (RANGE, arm(learning_rate="x"), "arms.a.learning_rate: 'x' is outside 0.1"),
        (RELU, arm() * 2, "arms: two arms have the same name"),
        (
            {"batch_size": {"low": 10, "high": 99}},
            arm(batch_size=10.5),
            "arms.a.batch_size: expected a whole number, got 10.5",
        ),
        (
            {"momentum": {"low": 0, "high": 0.9, "step": 0.1}},
            arm(momentum=0.25),
            "0.25 is not 0.0 and a number of steps of 0.1",
        ),
    ],
)
def test_arms_outside_of_the_space(space, arms, said):
    assert said in sentence({"space": space, "arms": arms})


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({"space": RANGE, "sampler": {"name": "grid"}}, "grid needs choices or a step everywhere"),
        ({"space": RELU, "sampler": {"name": "cmaes"}}, "cmaes needs ranges only"),
        (
            {
                "space": RELU | {"batch_size": [10, 20]},
                "sampler": {"name": "grid"},
                "arms": arm(activation="relu"),
            },
            "arms.a: the sampler grid fills nothing in; give batch_size, too",
        ),
    ],
)
def test_samplers_that_cannot_search_the_space(tree, said):
    assert said in sentence(tree)


@pytest.mark.parametrize(
    ("prior", "said"),
    [
        ({}, "prior: nothing is believed; name a hyperparameter or an arm"),
        ({"dropout": 0.1}, "prior.dropout: not in the space; search it or remove it here"),
        ({"learning_rate": 9}, "prior.learning_rate: 9 is outside 0.1 to 0.2 of space"),
        ({"learning_rate": [0.1]}, "prior.learning_rate: [0.1] is outside 0.1 to 0.2 of space"),
        ({"activation": "elu"}, "prior.activation: 'elu' is not among the choices in space"),
        ({"activation": ["relu", "elu"]}, "'elu' is not among the choices in space.activation"),
        ({"activation": []}, "prior.activation: the list of choices is empty; name at least one"),
        (
            {"activation": {"near": "relu", "spread": 0.1}},
            "prior.activation: spread is for ranges; space.activation is a list of choices",
        ),
        ({"arms": ["b"]}, "prior.arms: there is no arm 'b'; the preset has a"),
    ],
)
def test_beliefs_outside_of_the_space(prior, said):
    tree = {"space": RELU | RANGE, "arms": arm(activation="relu"), "search": {}, "prior": prior}
    assert said in sentence(tree)


def test_beliefs_that_no_search_takes():
    believed = {"space": RELU, "prior": {"activation": "relu"}}
    assert "prior: is for a search in budgets; add [search]" in sentence(believed)
    grid = {**believed, "search": {}, "sampler": {"name": "grid"}}
    assert "prior: the sampler grid tries every point; remove one" in sentence(grid)
    unnamed = {"space": RELU, "search": {}, "prior": {"arms": ["a"]}}
    assert "there is no arm 'a'; the preset has no arms" in sentence(unnamed)
