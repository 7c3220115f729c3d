"""The data of the figures that compare all arms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from studies.paper.arms import RELU
from studies.paper.published import PUBLISHED
from studies.paper.summary_figures import frozen_levels, levels_data, rates_data


def test_the_papers_losses_are_two_of_the_levels():
    levels = frozen_levels()
    assert PUBLISHED[RELU].loss[0] == pytest.approx(levels[4], abs=1e-4)
    assert PUBLISHED["ReLU output + dropout"].loss[0] == pytest.approx(levels[8], abs=1e-4)
    assert levels[10] == pytest.approx(2.3026, abs=1e-4)


def test_the_mean_over_seeds_has_its_interval_at_each_rate():
    runs = pd.DataFrame(
        [("sigmoid", 0.2, seed, value) for seed, value in enumerate((0.6, 0.7, 0.8))]
        + [("sigmoid", 0.45, 0, 0.9), ("ReLU + softmax", 0.2, 0, 0.85)],
        columns=["arm", "learning_rate", "seed", "val_accuracy"],
    )
    data = rates_data(runs, "sigmoid")
    assert data.means["learning_rate"].to_list() == [0.2, 0.45]
    assert data.means["mean"].to_list() == pytest.approx([0.7, 0.9])
    half = stats.t.ppf(0.975, 2) * 0.1 / np.sqrt(3)
    assert data.means["high"][0] - data.means["mean"][0] == pytest.approx(half)
    assert data.means["low"][1] == data.means["high"][1] == 0.9
    assert data.means["seeds"].to_list() == [3, 1]


def test_runs_of_one_level_stand_on_each_other():
    levels = frozen_levels()
    losses = [levels[4], levels[4] + 0.02, levels[8], levels[4] - 0.01]
    runs = pd.DataFrame({"arm": RELU, "seed": range(4), "loss": losses})
    data = levels_data(runs, "loss")
    assert data["k"].to_list() == [4, 4, 8, 4]
    assert data["height"].to_list() == [1, 2, 1, 3]
