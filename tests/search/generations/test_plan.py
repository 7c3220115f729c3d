"""What generations consist of, over whole searches with made-up accuracies."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import optuna
import pytest

from search.generations.plan import plan, race_is_over, race_reserve
from search.study.runs import EndedRun, ended_runs
from search.study.standings import is_decided, standings
from search.study.trial_record import TrialRecord
from search.study.winner import infeasible_in_words, winner
from tests.search.generations.runs import accuracy, end_all, ended, preset
from tests.search.several_objectives import (
    SearchForBoth,
    expected_accuracy,
    preset as several,
    size_of,
)


@pytest.fixture(autouse=True)
def quiet_optuna():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def searched(made, trials: int, runs=(), value=accuracy) -> list[list[EndedRun]]:
    """The generations of a search that goes on from `runs` until there are enough trials, or there
    is nothing to plan."""
    runs, found = list(runs), []
    while len(runs) < trials:
        remaining = trials - len(runs)
        planned = plan(made, 1, runs, len(found), len(runs), remaining, race_reserve(trials))
        if not planned:
            break
        assert len(planned) <= remaining
        found.append(end_all(planned, len(found), len(runs), value))
        runs += found[-1]
    return found


def flat(generations) -> list[EndedRun]:
    return [run for generation in generations for run in generation]


@pytest.mark.parametrize("trials", range(1, 40, 3))
@pytest.mark.parametrize("budgets", [(1, 4, 16), (3,)])
def test_a_search_has_the_trials_asked_for_and_ends_at_the_top(trials, budgets):
    runs = flat(searched(preset(budgets=budgets, generation=5), trials))
    assert len(runs) == trials
    assert runs[-1].key.budget == budgets[-1]
    assert len({run.key for run in runs}) == trials  # none is made twice


@pytest.mark.parametrize("trials", [2, 3, 5, 17])
def test_so_it_does_where_most_are_stuck(trials):
    def value(run):
        return accuracy(run) if run.key.configuration % 4 == 3 else None

    runs = flat(searched(preset(generation=4), trials, value=value))
    assert (len(runs), runs[-1].key.budget) == (trials, 16)


def test_a_few_trials():
    of = {n: [run.key for run in flat(searched(preset(), n))] for n in (1, 2, 3)}
    assert of[1] == [(0, 16, 0)]
    assert of[2] == [(0, 1, 0), (0, 16, 0)]
    assert of[3][:2] == [(0, 1, 0), (1, 1, 0)]
    assert of[3][2] in [(0, 16, 0), (1, 16, 0)]


def test_the_longest_runs_of_a_generation_come_first():
    generations = searched(preset(generation=4), 40)
    for generation in generations:
        budgets = [run.key.budget for run in generation]
        assert budgets == sorted(budgets, reverse=True)
    assert [run.key.budget for run in generations[2]] == [16, 4, 4, 1, 1, 1, 1]


def test_arms_that_a_short_search_left_out_are_tried_when_it_goes_on():
    arms = [{"name": name, "params": {"dropout": 0.1}} for name in "abc"]
    made = preset(arms=arms)
    first = flat(searched(made, 3))
    assert [run.arm for run in first[:2]] == ["a", "b"]
    more = flat(searched(made, 12, first))
    assert "c" in [run.arm for run in more]
    assert [run.arm for run in more if run.key.budget == 1].count("a") == 0


def test_a_promoted_configuration_keeps_its_parameters_and_arm():
    runs = flat(searched(preset(arms=[{"name": "a", "params": {"dropout": 0.0}}]), 20))
    of_arm = [run for run in runs if run.key.configuration == 0]
    assert len(of_arm) >= 3
    assert {run.arm for run in of_arm} == {"a"}
    assert len({tuple(run.params.items()) for run in of_arm}) == 1


def test_a_fifth_of_the_trials_is_kept_for_the_end():
    assert [race_reserve(n) for n in (1, 5, 6, 50)] == [1, 1, 2, 10]
    runs = flat(searched(preset(), 50))
    assert {run.key.budget for run in runs[40:]} == {16}
    assert [run.key.replicate for run in runs[:40]] == [0] * 40
    assert max(run.key.replicate for run in runs) > 0


def test_before_the_race_those_that_are_entitled_to_it_are_trained_in_full():
    """Four were tried for four epochs, so two may go on, and one of them has done so."""
    runs = [ended(n, 1, n / 10) for n in range(8)] + [ended(n, 4, n / 10) for n in range(4, 8)]
    runs.append(ended(7, 16, 0.8))
    planned = plan(preset(), 1, runs, 3, 13, 2, 3)
    assert [(run.key, run.role) for run in planned] == [((6, 16, 0), "promotion")]
    planned = plan(preset(), 1, [*runs, ended(6, 16, 0.1)], 4, 14, 1, 3)
    assert [run.role for run in planned] == ["race"]


def test_an_exhausted_grid_ends_with_the_race():
    runs = flat(searched(preset("grid", generation=4), 30))
    assert len({run.key.configuration for run in runs}) == 6
    assert runs[-1].key.budget == 16


def noisy(run):
    """Accuracies of which the best are too much alike for a few seeds."""
    seeds = np.random.default_rng(run.key.configuration + 1000 * run.key.replicate)
    return 0.9 - run.params["dropout"] / 100 - 0.3 / run.key.budget + seeds.normal(0, 0.003)


def test_a_few_more_trials_first_finish_the_race_that_had_begun():
    made = preset()
    runs = flat(searched(made, 50, value=noisy))
    assert max(run.key.replicate for run in runs) > 0
    assert not is_decided(standings(runs, made, 16))

    def roles(trials: int) -> set[str]:
        found = plan(made, 1, runs, 9, len(runs), trials - 50, race_reserve(trials))
        return {run.role for run in found}

    assert roles(80) == {"race"}
    assert "new" in roles(100)


def test_the_race_is_over_when_it_is_decided_or_has_had_its_share():
    made = preset()
    runs = [ended(n, 16, 0.5 + 0.1 * n) for n in range(3)]
    assert not race_is_over(made, runs)
    assert race_is_over(made, [*runs, *(ended(2, 16, 0.7, seed) for seed in (1, 2))])
    equal = [ended(n, 16, 0.5) for n in range(8)]
    assert not race_is_over(made, [*equal, ended(0, 16, 0.5, 1)])
    assert race_is_over(made, [*equal, ended(0, 16, 0.5, 1), ended(1, 16, 0.5, 1)])


# Further objectives


def front_area(made, trials) -> float:
    """How far the front reaches among what was trained in full: the area above it, where sizes
    count by their order of magnitude and accuracies by what they truly are."""
    tried = {
        run.key.configuration: (
            math.log10(size_of(made, run.params)),
            expected_accuracy(made, run.params, 10),
        )
        for run in ended_runs(trials)
        if run.key.budget == 10
    }
    area, highest = 0.0, 0.6
    for size, reached in sorted(tried.values()):
        if reached > highest:
            area += (7 - size) * (reached - highest)
            highest = reached
    return area


def test_a_search_for_small_networks_finds_more_of_the_front():
    free, both = several(None), several({"minimize": ["parameters"]})
    areas = [
        [front_area(made, SearchForBoth(made, 60, seed).trials) for seed in range(4)]
        for made in (free, both)
    ]
    assert sum(areas[1]) > 1.05 * sum(areas[0])


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "cmaes"])
def test_a_search_with_constraints_has_the_trials_asked_for(sampler):
    limit = {"minimize": ["parameters"], "constraints": ["parameters <= 450000"]}
    made = several(limit, sampler)
    trials = SearchForBoth(made, 30).trials
    runs = ended_runs(trials)
    assert len(runs) == 30
    assert runs[-1].key.budget == 10
    assert max(size_of(made, run.params) for run in runs) <= 450_000
    assert [run.params for run in runs] == [
        run.params for run in ended_runs(SearchForBoth(made, 30).trials)
    ]


def test_where_nothing_tried_in_full_is_feasible_the_next_best_are_tried_so():
    """All that were entitled to be trained in full violate the constraint."""
    made = several({"constraints": ["latency_ms <= 0.5"]})
    runs = [ended(n, 1, n / 10) for n in range(8)] + [ended(n, 3, n / 10) for n in range(4, 8)]
    runs += [replace(ended(n, 10, n / 10), measured={"latency_ms": 1.0}) for n in (6, 7)]
    params = {"learning_rate": 0.1, "dropout": 0.2, "filters": "4-8", "dense_units": 16}
    runs = [replace(run, params=params) for run in runs]
    planned = plan(made, 1, runs, 3, 14, 2, 4)
    assert [(run.key, run.role) for run in planned] == [
        ((5, 10, 0), "promotion"),
        ((4, 10, 0), "promotion"),
    ]


def test_a_search_goes_on_where_nothing_meets_what_is_only_known_afterwards():
    made = several({"constraints": ["latency_ms <= 0.001"]})
    trials = SearchForBoth(made, 20).trials
    assert len(trials) == 20
    assert {TrialRecord.of(trial).role for trial in trials} == {"new", "promotion"}
    assert winner(trials, made) is None
    said = "no configuration that was tried for 10 epochs meets latency_ms <= 0.001"
    assert infeasible_in_words(trials, made) == said
