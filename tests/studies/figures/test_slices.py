"""The data of the slices, of the map of stuck trials and of the surface."""

from __future__ import annotations

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from studies.figures import slices
from studies.figures.trial_frame import trial_table
from tests.studies.conftest import AXES, one_of_each, store, trial


def test_the_share_of_stuck_trials_along_an_axis(project):
    trials = [trial("completed", [0.8], dropout=d / 100) for d in range(0, 25)]
    trials += [trial("stuck", [0.1], dropout=0.25 + d / 100) for d in range(0, 25)]
    table = trial_table(store(trials).trials)
    data = slices.slice_data(table, "dropout", AXES["dropout"])
    assert data.bins["trials"].sum() == 50
    assert data.bins["stuck"].iloc[0] == 0
    assert data.bins["stuck"].iloc[-1] == 1


def test_bins_of_a_logarithm_are_equal_and_go_over_the_whole_range(project):
    table = trial_table(store([trial("completed", [0.8])] * 50).trials)
    log = FloatDistribution(1.0, 256.0, log=True)
    data = slices.slice_data(table.assign(learning_rate=table["trial"] + 1.0), "learning_rate", log)
    assert data.bins["centre"].to_list() == pytest.approx([2**0.5 * 2**n for n in range(6)])
    assert data.bins["trials"].sum() == 50


def test_choices_and_few_whole_numbers_have_places_and_are_spread(project):
    table = trial_table(store([trial("completed", [0.8])] * 6).trials)
    table = table.assign(shift=[0, 1, 2, 2, 2, 5], flip=["a", "a", "b", "b", "b", "b"])
    data = slices.slice_data(table, "shift", IntDistribution(0, 2))
    assert data.choices == ["0", "1", "2", "5"]
    assert data.bins["trials"].to_list() == [1, 1, 3, 1]
    assert data.points["x"].round().to_list() == [0, 1, 2, 2, 2, 3]
    assert len(set(data.points["x"])) == 6
    data = slices.slice_data(table, "flip", CategoricalDistribution(["b", "a", "<c>"]))
    assert data.choices == ["b", "a", "&lt;c&gt;"]
    assert data.bins["centre"].to_list() == [0, 1]
    assert slices.slice_data(table, "shift", IntDistribution(0, 20)).choices is None


def test_ticks_of_a_logarithm():
    assert slices.log_ticks(0.01, 0.45) == pytest.approx([0.01, 0.02, 0.05, 0.1, 0.2])
    assert slices.log_ticks(1e-5, 1e-2) == pytest.approx([1e-5, 1e-4, 1e-3, 1e-2])


def test_the_surface_is_a_mean_of_what_is_near(project):
    trials = [
        trial("completed", [0.9 if rate < 0.3 else 0.5], learning_rate=rate, dropout=dropout)
        for rate in (0.15, 0.16, 0.17, 0.43, 0.44, 0.45)
        for dropout in (0.0, 0.1, 0.2)
    ]
    lonely = trial("completed", [0.7], learning_rate=0.15, dropout=0.5)
    data = slices.surface_data(trial_table(store([*trials, lonely]).trials), log=False)
    assert data.z.shape == (slices.GRID, slices.GRID)
    assert data.z[0, 0] == pytest.approx(0.9, abs=0.01)
    assert data.z[0, -1] == pytest.approx(0.5, abs=0.01)
    assert np.isnan(data.z[-1, -1])
    assert data.z[-1, 0] == pytest.approx(0.7, abs=0.01)
    assert slices.surface_data(trial_table(store(trials[:3], "few").trials), log=False) is None


def test_the_map_has_a_panel_a_combination(project):
    panels = slices.stuck_map_data(trial_table(store(one_of_each()).trials))
    assert {panel.title: len(panel.points) for panel in panels} == {
        "hidden relu, output relu": 1,
        "hidden relu, output softmax": 4,
    }
