"""The data of the figures of a search in budgets."""

from __future__ import annotations

from collections import Counter

from search.study.runs import RunKey
from search.study.winner import winner
from studies.figures import budgets
from studies.figures.trial_frame import BUDGET_COLUMNS, first_runs, trial_table
from tests.search.in_budgets import PRESET, SimulatedSearch, continued, run_trial
from tests.studies.conftest import one_of_each


def test_the_table_has_columns_for_what_was_planned():
    table = trial_table(SimulatedSearch().trials)
    assert list(table.columns)[-len(BUDGET_COLUMNS) :] == list(BUDGET_COLUMNS)
    assert Counter(table["role"]) == {"new": 16, "promotion": 12, "race": 12}
    assert Counter(table["budget"]) == {1: 16, 3: 8, 10: 16}
    assert set(BUDGET_COLUMNS).isdisjoint(trial_table(one_of_each()).columns)


def test_the_table_says_what_a_continued_run_trained_itself():
    trials = [run_trial(RunKey(0, 3), 0.8), run_trial(RunKey(0, 10), 0.9, "promotion", 1)]
    table = trial_table([trials[0], continued(trials[1], 3)])
    assert table["epochs_run"].to_list() == [3, 10]
    assert table["epochs_trained"].to_list() == [3, 7]
    assert table["seconds_trained"].sum() == 20.0


def test_first_runs_are_those_that_tried_a_configuration():
    trials = SimulatedSearch().trials
    found = first_runs(trials)
    assert len(found) == 16
    assert {trial.user_attrs["budget"] for trial in found} == {1}
    at_once = run_trial(RunKey(40, 10), 0.93, "new", 40)
    assert first_runs([*trials, at_once]) == found
    assert len(first_runs(one_of_each())) == 5


def test_the_history_has_the_runs_of_each_budget():
    table = trial_table([*one_of_each(), *SimulatedSearch().trials])
    data = budgets.budget_history_data(table)
    assert {budget: len(runs) for budget, runs in data.completed.items()} == {1: 15, 3: 8, 10: 16}
    assert data.others["ending"].to_list() == ["stuck"]
    assert data.others["value"].iloc[0] < data.completed[1]["value"].min()
    assert "configuration 15, new<br>budget 1" in data.others["text"].iloc[0]
    drawn = budgets.draw_budget_history(data)
    assert [trace.name for trace in drawn.data] == ["1 epoch", "3 epochs", "10 epochs", "stuck"]


def test_the_race_has_a_dot_for_every_seed():
    best = winner(SimulatedSearch().trials, PRESET)
    data = budgets.race_data(best.standings, best.standing)
    assert data.means["name"].to_list() == [str(one.configuration) for one in best.standings]
    assert data.means.loc[data.means["chosen"], "name"].to_list() == ["21"]
    assert len(data.seeds) == 16
    first = data.seeds[data.seeds["text"].str.contains("seed 0")]
    assert not first["counts"].any()
    assert len(first) == 4
    assert [trace.name for trace in budgets.draw_race(data).data] == [
        "seed that counts",
        "first seed, not counted",
        "chosen",
        "mean, 95 % interval",
    ]


def test_while_there_is_no_race_first_seeds_count():
    best = winner(SimulatedSearch(raced=0).trials, PRESET)
    assert budgets.race_data(best.standings, best.standing).seeds["counts"].all()
