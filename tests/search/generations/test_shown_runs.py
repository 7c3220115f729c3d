"""What samplers are shown of a search in budgets."""

from __future__ import annotations

from dataclasses import replace

import pytest
from optuna.trial import TrialState

from search.generations.shown_runs import shown_trials
from tests.search.generations.runs import ended, preset


def shown(runs, sampler: str = "tpe", min_runs: int = 3, shows_shorter: bool = False):
    """Each trial's state, value and intermediate values."""
    return [
        (t.state.name, t.value, t.intermediate_values)
        for t in shown_trials(preset(sampler), runs, min_runs, shows_shorter)
    ]


def test_the_values_are_those_of_the_greatest_budget_with_enough_runs():
    runs = [ended(n, 1, 0.1 * n) for n in range(4)] + [ended(n, 4, 0.2 * n) for n in (2, 3)]
    assert [value for _, value, _ in shown(runs)] == pytest.approx([0.0, 0.1, 0.2, 0.3])
    runs.append(ended(1, 4, 0.25))
    assert [value for _, value, _ in shown(runs)] == pytest.approx([0.25, 0.4, 0.6])


def test_with_too_few_runs_it_is_the_smallest_budget():
    assert shown([ended(0, 1, 0.1), ended(0, 4, 0.2)]) == [("COMPLETE", 0.1, {})]


def test_seeds_of_a_race_count_once_and_give_their_mean():
    runs = [ended(0, 1, 0.1), ended(1, 1, 0.2), *(ended(0, 4, 0.5 + n / 10, n) for n in range(3))]
    assert [value for _, value, _ in shown(runs)] == [0.1, 0.2]
    assert [value for _, value, _ in shown(runs, min_runs=1)] == pytest.approx([0.6])


def test_what_was_stuck_at_any_budget_is_pruned():
    runs = [ended(n, 1, 0.1 * n) for n in range(3)] + [ended(9, 1, None), ended(2, 4, None)]
    assert [state for state, *_ in shown(runs)] == ["COMPLETE"] * 3 + ["PRUNED"]
    runs += [ended(n, 4, 0.5) for n in (0, 1, 5)]
    assert [state for state, *_ in shown(runs)] == [
        *["COMPLETE"] * 2,  # 0 and 1
        "PRUNED",  # 2, which was stuck at 4 epochs
        "COMPLETE",
        "PRUNED",
    ]


def test_shorter_runs_can_be_shown_as_pruned():
    runs = [ended(0, 1, 0.1), ended(1, 1, 0.2), ended(1, 4, 0.5)]
    assert shown(runs, min_runs=1) == [("COMPLETE", 0.5, {})]
    assert shown(runs, min_runs=1, shows_shorter=True) == [
        ("PRUNED", None, {1: 0.1}),
        ("COMPLETE", 0.5, {}),
    ]


def test_cma_es_is_shown_the_smallest_budget():
    runs = [ended(n, budget, 0.1) for n in range(4) for budget in (1, 4)]
    runs = [replace(run, value=run.key.budget / 10) for run in runs]
    assert {value for _, value, _ in shown(runs, "cmaes")} == {0.1}
    assert {value for _, value, _ in shown(runs)} == {0.4}


def test_values_outside_of_the_space_are_left_out():
    strange = [
        replace(ended(0, 1, 0.5), params=params)
        for params in ({"dropout": 7.0, "learning_rate": 0.1}, {"dropout": 0.1}, {})
    ]
    strange = [replace(run, key=run.key._replace(configuration=n)) for n, run in enumerate(strange)]
    assert shown([*strange, ended(5, 1, 0.4)]) == [("COMPLETE", 0.4, {})]


def test_what_a_sampler_keeps_is_handed_back_without_the_parameters():
    run = replace(ended(0, 1, 0.5), system_attrs={"cma:generation": 1, "fixed_params": {"x": 1}})
    (trial,) = shown_trials(preset("cmaes"), [run], 8, False)
    assert (trial.state, trial.system_attrs) == (TrialState.COMPLETE, {"cma:generation": 1})
