"""The summary of a study: time saved, time spent, selection bias and advice."""

from __future__ import annotations

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from search.study.runs import RunKey
from studies.report.commands import Command
from studies.report.summary import (
    TimeSaved,
    advice,
    duration_in_words,
    selection_bias,
    summarize,
    time_saved,
)
from tests.search.in_budgets import PRESET, continued, run_trial
from tests.studies.conftest import AXES, RISING, one_of_each, store, trial, whole_runs


def test_time_saved_is_the_steps_left_times_the_time_of_a_step(project):
    found = time_saved(whole_runs(), store(one_of_each()).trials)
    assert found["stuck"].seconds == pytest.approx((480 - 6) / 100)
    assert found["pruned"].seconds == pytest.approx((480 - 96) / 100)
    assert found["diverged"] == TimeSaved([pytest.approx((480 - 48) / 100)])


FREE = {"learning_rate": 0.4, "dropout": 0.4, "output_activation": "relu"}
FREE |= {"schedule": "cosine", "weight_decay": 0.01}


@pytest.mark.parametrize(
    ("stopped", "seconds"), [(FREE, 0.01), ({"activation": "sigmoid"}, 0.02)], ids=["same", "other"]
)
def test_a_trials_step_costs_what_it_does_in_the_same_network(project, stopped, seconds):
    """Trials are of the same network if they differ only in hyperparameters that do not change the
    cost of a step."""
    axes = AXES | {
        "schedule": CategoricalDistribution(["constant", "cosine"]),
        "weight_decay": FloatDistribution(0, 0.1),
    }
    same = {"axes": axes, "schedule": "constant", "weight_decay": 0.0}
    dear = [trial("completed", RISING, n, **same, activation="sigmoid") for n in (0, 1)]
    for one in dear:
        one.user_attrs["train_seconds"] *= 2
    cheap = trial("completed", RISING, 2, **same)
    stuck = trial("stuck", [0.1], 3, **same | stopped)
    saved = time_saved(whole_runs(), [*dear, cheap, stuck])
    assert saved["stuck"].seconds == pytest.approx((480 - 6) * seconds)


def test_time_spent_leaves_pauses_out(project):
    found = summarize(whole_runs(), store(one_of_each()).trials)
    assert found.wall_seconds == 5 * 50
    assert found.best is not None
    assert found.best.number == 0


def test_training_that_was_continued_is_counted_once():
    long = continued(run_trial(RunKey(0, 10), 0.9, "promotion", 1), 3)
    found = summarize(PRESET, [run_trial(RunKey(0, 3), 0.8), long])
    assert found.train_seconds == 20.0
    long.user_attrs["earlier_seconds"] = 12.0  # on a slow machine
    assert summarize(PRESET, [long]).train_seconds == 8.0


@pytest.mark.parametrize(
    ("trials", "said"),
    [
        ([trial("completed", [0.8], learning_rate=0.449)], "learning_rate of the best trial, 0.44"),
        (
            [trial("completed", [0.8], dropout=0.001)],
            "lies at the lower end of its range (0): try it without",
        ),
        (
            [
                trial("completed", [0.8]),
                *[trial("stuck", [0.1], output_activation="relu")] * 5,
            ],
            "output_activation: relu (all 5 trials stuck or diverged) never came near softmax",
        ),
        (
            [trial("completed", [0.8]), *[trial("completed", [0.7], activation="sigmoid")] * 5],
            "activation: sigmoid (at most 0.7000 in 5 trials, 5 completed) never came near relu",
        ),
        (
            [trial("completed", [0.8]), *[trial("pruned", [0.1], activation="sigmoid")] * 5],
            "sigmoid (at most 0.1000 in 5 trials, none completed)",
        ),
        ([trial("completed", [0.8]), *[trial("pruned", [0.7])] * 12], "The last 12 of 13 trials"),
        ([trial("pruned", [0.7])] * 12 + [trial("completed", [0.8])], "came late, 0 trials before"),
        (
            [trial("completed", [0.8])],
            "These are few trials: search on (`run_search(replace(job, trials=2), progress)`)",
        ),
        (
            [trial("stuck", [0.1])],
            "No trial has completed: search on (`run_search(replace(job, trials=2), progress)`)",
        ),
        ([trial("stuck", [0.1])], "1 of 1 trials stuck: the maps below show where"),
        ([trial("diverged", [0.1])], "1 of 1 trials diverged: lower the range of learning_rate"),
    ],
)
def test_advice(project, trials, said):
    assert any(said in line for line in advice(store(trials).trials)), said


@pytest.mark.parametrize(
    ("name", "axis", "value", "said"),
    [
        ("batch_size", IntDistribution(1024, 4096), 1024, "trial, 1024, lies at the lower end"),
        ("weight_decay", FloatDistribution(0, 0.1), 0.0, "end of its range (0): try it without"),
        ("offset", FloatDistribution(0, 1), 0.0, "end of its range (0): widen the range there"),
    ],
    ids=["whole numbers", "none below zero", "not one of ours"],
)
def test_what_a_boundary_advises_follows_from_what_is_allowed(project, name, axis, value, said):
    best = trial("completed", [0.8])
    best.params, best.distributions = {name: value}, {name: axis}
    assert any(said in line for line in advice([best]))


def test_why_a_search_stopped_stands_in_place_of_searching_on(project):
    study = store([trial("completed", [0.8]), *[trial("pruned", [0.7])] * 12])
    kept = {"latest": 0.0, "shuffled": 0.0004, "trials": 60, "below": 0.001}
    said = advice(study.trials, stopped=kept)
    assert [line for line in said if line.startswith("The search was stopped early: the next 10")]
    assert not [line for line in said if "brought nothing better" in line]


def test_the_caller_words_the_commands(project):
    def worded(command: Command) -> str:
        return f"do {command.name} {command.trials}"

    said = advice(store([trial("completed", [0.8])]).trials, worded)
    assert "(`do search 2`)" in said[-1]


def test_a_choice_that_was_hardly_tried_is_not_judged(project):
    study = store([trial("completed", [0.8]), *[trial("stuck", [0.1], activation="sigmoid")] * 4])
    assert not [line for line in advice(study.trials) if "sigmoid" in line]


def test_advice_is_silent_where_nothing_speaks_for_it(project):
    study = store([trial("completed", [0.8]), trial("completed", [0.79], activation="sigmoid")])
    said = advice(study.trials)
    assert not [line for line in said if "activation" in line or "range" in line]


def test_the_winner_of_many_equals_is_flattered_more():
    preset = whole_runs()
    few, lots = (
        selection_bias(preset, [trial("completed", [0.85], n) for n in range(count)])
        for count in (2, 50)
    )
    spread = np.sqrt(0.85 * 0.15 / 12_000)
    assert few.mean == pytest.approx(spread * 0.564, rel=0.05)  # of two normals, 1 / sqrt(pi)
    assert lots.mean == pytest.approx(spread * 2.249, rel=0.05)  # of fifty
    assert selection_bias(preset, [trial("completed", [0.85])]) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (59.6, "1 min 0 s"),
        (599, "9 min 59 s"),
        (654, "11 min"),
        (3599, "1 h 0 min"),
        (7325, "2 h 2 min"),
    ],
)
def test_times_in_words(seconds, words):
    assert duration_in_words(seconds) == words
