"""How configurations stand, when that is decided, and which of them is taken."""

from __future__ import annotations

import pytest

from search.study.standings import chosen, contenders, current_standings, is_decided, standings
from tests.search.in_budgets import PRESET, TOP, SimulatedSearch, default_params, ended

SMALL, LARGE = default_params(), default_params(filters="32-64")


def stand(seeds: dict[int, list[float | None]], large: tuple[int, ...] = ()):
    """The standings of configurations, given the values of their seeds from replicate 0 on."""
    runs = [
        ended(configuration, value, replicate, params=LARGE if configuration in large else SMALL)
        for configuration, values in seeds.items()
        for replicate, value in enumerate(values)
    ]
    return standings(runs, PRESET, TOP)


def test_the_first_seed_counts_only_until_there_are_others():
    first, second = stand({1: [0.93, 0.91, 0.91], 2: [0.90]})
    assert (first.configuration, first.mean, first.seeds, first.raced) == (1, 0.91, 2, 2)
    assert (second.mean, second.seeds, second.raced) == (0.90, 1, 0)
    assert first.values == {0: 0.93, 1: 0.91, 2: 0.91}
    assert first.number == 1
    assert first.low < first.mean < first.high


def test_only_runs_of_the_budget_count():
    runs = [ended(1, 0.9), ended(1, 0.99, budget=3), ended(2, 0.95, budget=3)]
    assert [one.configuration for one in standings(runs, PRESET, TOP)] == [1]
    assert [one.configuration for one in standings(runs, PRESET, 3)] == [1, 2]
    assert standings(runs, PRESET, 1) == []


def test_a_study_is_judged_at_the_greatest_budget_that_was_completed():
    trials = SimulatedSearch(0).trials
    assert {one.budget for one in current_standings(trials, PRESET)} == {10}
    assert {one.budget for one in current_standings(trials[:9], PRESET)} == {3}
    assert current_standings([], PRESET) == []


def test_one_that_dies_with_a_seed_in_three_is_never_the_best():
    found = stand({1: [0.935, 0.935, 0.935, None], 2: [0.92, 0.92, 0.92]})
    assert chosen(found).configuration == 2
    assert (found[-1].configuration, found[-1].incomplete) == (1, 1)
    assert found[-1].best_probability < 0.02


def test_a_first_seed_that_did_not_complete_counts_beside_others():
    (one,) = stand({1: [None, 0.9]})
    assert (one.mean, one.seeds, one.raced, one.incomplete) == (0.5, 2, 1, 1)


def test_the_size_is_that_of_the_network():
    found = stand({1: [0.9], 2: [0.8]}, large=(1,))
    assert [one.parameters for one in found] == [421_642, 206_922]


@pytest.mark.parametrize(
    ("seeds", "large", "taken", "decided"),
    [
        ({1: [0.93, 0.93, 0.93, 0.93], 2: [0.90, 0.90, 0.90, 0.90]}, (1,), 1, True),
        ({1: [0.93], 2: [0.85]}, (1,), 1, False),  # the best, but of one seed
        ({1: [0.90] * 4, 2: [0.899] * 4}, (1,), 2, True),
        ({1: [0.90] * 4, 2: [0.899] * 4}, (), 1, True),  # of one size: the higher mean
        ({1: [0.90] * 4, 2: [0.899] * 3}, (1,), 2, False),  # not enough seeds to call it equal
        ({1: [0.90] * 4, 2: [0.899]}, (1,), 1, False),
        ({1: [0.90] * 3, 2: [0.896] * 3}, (1,), 1, False),  # neither equal nor decided
    ],
)
def test_which_is_taken_and_whether_it_is_decided(seeds, large, taken, decided):
    found = stand(seeds, large)
    assert (chosen(found).configuration, is_decided(found)) == (taken, decided)


def test_nothing_is_decided_of_nothing():
    assert contenders([]) == []
    assert not is_decided([])
    assert contenders(stand({1: [None], 2: [None]})) == []


def test_five_contend_at_most_and_none_whose_first_seed_did_not_complete():
    found = stand({n: [0.90] for n in range(9)} | {9: [None]})
    field = contenders(found)
    assert len(field) == 5
    assert 9 not in {one.configuration for one in field}
