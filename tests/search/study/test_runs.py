"""Which runs of a search in budgets have ended, and how."""

from __future__ import annotations

import doctest

from optuna.trial import TrialState

from search.study import runs as module
from search.study.runs import RunKey, ended_runs, key_of
from search.study.trial_record import TrialRecord
from tests.search.conftest import trial


def run(ordinal: int, state=TrialState.COMPLETE, value=None, budget: int = 4, **more):
    planned = TrialRecord.of_plan(ordinal, ordinal, budget, 0, 2, "new", "an arm").attributes
    return trial(state, value, **{**planned, **more})


def test_the_example_runs():
    assert doctest.testmod(module).failed == 0


def test_a_trial_is_a_run_if_it_was_planned():
    assert key_of(run(7, value=0.5)) == RunKey(7, 4, 0)
    assert key_of(trial(TrialState.COMPLETE, 0.5, ordinal=3)) is None
    assert key_of(run(7, value=0.5, budget=4, replicate="first")) is None


def test_ended_runs_are_in_the_order_of_their_ordinals():
    trials = [run(1, value=0.2), run(0, TrialState.PRUNED), run(2, TrialState.RUNNING)]
    trials += [run(3, TrialState.WAITING), trial(TrialState.COMPLETE, 0.9)]
    found = ended_runs(trials)
    assert [(one.key.configuration, one.value) for one in found] == [(0, None), (1, 0.2)]
    assert [(one.generation, one.arm) for one in found] == [(2, "an arm")] * 2


def test_what_was_measured_of_a_completed_run_is_read():
    measured = {"train_seconds": 3.5, "latency_ms": 0.4, "latency_spread_ms": "wide"}
    runs = [run(0, value=0.5, **measured), run(1, TrialState.PRUNED, **measured)]
    found = ended_runs(runs)
    assert [one.measured for one in found] == [{"train_seconds": 3.5, "latency_ms": 0.4}, {}]


def test_of_a_lost_run_the_second_try_counts():
    lost = run(0, TrialState.FAIL, fail_reason="killed")
    assert ended_runs([lost]) == []
    assert [one.value for one in ended_runs([lost, run(0, value=0.3)])] == [0.3]
    deadly = run(0, TrialState.FAIL, fail_reason="deadly")
    assert [one.value for one in ended_runs([lost, deadly])] == [None]


def test_a_run_has_learned_once_it_is_twice_as_good_as_guessing():
    runs = [run(0, value=0.1), run(1, value=0.2), run(2, TrialState.PRUNED)]
    assert [one.has_learned for one in ended_runs(runs)] == [False, True, False]
