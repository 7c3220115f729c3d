"""A preset's space becomes Optuna's distributions, and a trial's parameters configurations."""

from __future__ import annotations

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from search.presets.files import parse_preset
from search.presets.search_space import (
    configurations,
    distributions,
    grid,
    grid_size,
    stored_params,
    suggest,
)


def preset(**space):
    return parse_preset({"space": space}, "x.toml")


@pytest.mark.parametrize("name", ["dense_units", "kernel_size", "batch_size"])
def test_whole_numbers_are_searched_as_ranges_too(name):
    searched = preset(**{name: {"low": 2, "high": 6, "step": 2}})
    assert distributions(searched) == {name: IntDistribution(2, 6, step=2)}
    model, train = configurations(searched, {name: 4}, seed=1)
    assert {"dense_units": (4,)}.get(name, 4) == getattr(train, name, getattr(model, name, None))


def test_lists_are_stored_as_text_and_come_back_as_lists():
    searched = preset(filters=[[8, 16], [16, 32]], flip=[True, False])
    assert distributions(searched) == {
        "filters": CategoricalDistribution(["8-16", "16-32"]),
        "flip": CategoricalDistribution([True, False]),
    }
    params = stored_params({"filters": [16, 32], "flip": True})
    assert params == {"filters": "16-32", "flip": True}
    model, train = configurations(searched, params, seed=7)
    assert (model.filters, train.flip, train.seed) == ((16, 32), True, 7)


def test_a_grid_is_the_choices_and_the_steps():
    searched = preset(
        dropout={"low": 0, "high": 0.5, "step": 0.25}, dense_units=[16, [32, 16]], shift=[0, 2]
    )
    assert grid(searched) == {
        "dropout": [0.0, 0.25, 0.5],
        "dense_units": [16, "32-16"],
        "shift": [0, 2],
    }
    assert grid_size(searched) == 12


def test_a_trial_is_asked_for_every_searched_hyperparameter():
    searched = preset(
        learning_rate={"low": 0.01, "high": 1, "log": True}, batch_size={"low": 10, "high": 99}
    )
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1)).ask()
    suggest(trial, searched)
    assert list(trial.distributions.items()) == [
        ("batch_size", IntDistribution(10, 99)),
        ("learning_rate", FloatDistribution(0.01, 1, log=True)),
    ]
