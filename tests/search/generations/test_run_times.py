"""How long runs are expected to take, and which fit into a time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from search.generations.run_times import RunTimes
from search.study.runs import PlannedRun, RunKey
from tests.search.in_budgets import BEGAN, continued, run_trial

NEVER, ALWAYS = float("inf"), 0.0


def took(trial, seconds: float):
    trial.user_attrs["train_seconds"] = seconds
    trial.datetime_complete = trial.datetime_start + timedelta(seconds=seconds)
    return trial


def planned(*keys: tuple[int, int]) -> list[PlannedRun]:
    return [PlannedRun(RunKey(*key), "new", {}) for key in keys]


def test_a_run_takes_what_its_configuration_took_by_the_epoch():
    trials = [
        took(run_trial(RunKey(0, 1), 0.8), 3.0),
        took(run_trial(RunKey(0, 10), 0.8, "promotion", 1), 20.0),
        took(run_trial(RunKey(2, 1), 0.8), 1.0),
    ]
    times = RunTimes(trials, NEVER)
    assert times.expected(RunKey(0, 10, 1)) == 20.0
    assert times.expected(RunKey(0, 1, 1)) == 3.0
    assert times.expected(RunKey(0, 3)) == 9.0  # the nearest budget is 1
    assert times.expected(RunKey(2, 10)) == 10.0


def test_one_that_was_not_tried_takes_what_others_took_of_its_budget():
    trials = [took(run_trial(RunKey(n, 3), 0.8), 3.0 * (n + 1)) for n in range(3)]
    times = RunTimes(trials, NEVER)
    assert times.expected_of_any(3) == 6.0
    assert times.expected_of_any(10) == 20.0
    assert times.number_in(65, 10) == 3


def test_a_continued_run_tells_by_the_epochs_that_it_trained_itself():
    trial = continued(took(run_trial(RunKey(0, 10), 0.8), 48.0), 4)  # of which 8 s were others'
    assert RunTimes([trial], NEVER).expected(RunKey(0, 3)) == pytest.approx(20.0)


def test_what_did_not_complete_tells_nothing():
    times = RunTimes([run_trial(RunKey(0, 10), None)], ALWAYS)
    assert times.expected(RunKey(0, 10)) == times.number_in(60, 10) == 0
    runs = planned((1, 10), (2, 1))
    assert times.fitting(runs, 1.0) == runs


def test_those_fit_that_end_in_time_together():
    times = RunTimes([run_trial(RunKey(n, 10), 0.8) for n in range(3)], NEVER)  # 2 s an epoch
    runs = planned((0, 10), (1, 10), (2, 3), (9, 1))
    assert [run.key.budget for run in times.fitting(runs, 30)] == [10, 3, 1]
    assert [run.key.budget for run in times.fitting(runs, 19)] == [3, 1]
    assert times.fitting(runs, -1) == []


def test_two_workers_make_twice_as_many():
    trials = [run_trial(RunKey(n, 10), 0.8) for n in range(4)]
    for trial in trials:
        trial.datetime_start = BEGAN + timedelta(seconds=20 * (trial.number // 2))
        trial.datetime_complete = trial.datetime_start + timedelta(seconds=20)
    began = BEGAN.timestamp()
    assert len(RunTimes(trials, began).fitting(planned(*[(9, 10)] * 8), 60)) == 6
    assert len(RunTimes(trials, began + 100).fitting(planned(*[(9, 10)] * 8), 60)) == 3
    assert RunTimes(trials, began).number_in(60, 10) == 6
