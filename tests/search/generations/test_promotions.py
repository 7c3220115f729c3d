"""Which configurations are promoted: the best share of a budget, and none that was stuck."""

from __future__ import annotations

from search.generations.promotions import promote, promote_best
from tests.search.generations.runs import ended

BUDGETS = (1, 4, 16)


def keys(runs, factor: int = 2) -> list[tuple[int, int]]:
    found = promote(runs, BUDGETS, factor)
    assert {key.replicate for key in found} <= {0}
    return [(key.configuration, key.budget) for key in found]


def test_the_better_half_goes_on_and_the_best_first():
    runs = [ended(n, 1, value) for n, value in enumerate([0.1, 0.4, 0.3, 0.2, 0.0])]
    assert keys(runs) == [(1, 4), (2, 4)]
    assert keys(runs, factor=5) == [(1, 4)]
    assert keys(runs[:1]) == []


def test_among_equals_the_lower_configuration_goes():
    assert keys([ended(n, 1, 0.5) for n in (7, 3)]) == [(3, 4)]


def test_those_that_went_on_before_count():
    runs = [ended(n, 1, value) for n, value in enumerate([0.4, 0.3, 0.2, 0.1])]
    assert keys([*runs, ended(0, 4, 0.5)]) == [(1, 4)]
    assert keys([*runs, ended(0, 16, 0.5)]) == [(1, 4)]  # straight to the top


def test_what_was_passed_over_is_promoted_when_more_have_been_tried():
    runs = [ended(n, 1, value) for n, value in enumerate([0.4, 0.3])] + [ended(0, 4, 0.5)]
    assert keys(runs) == []
    worse = [ended(n, 1, 0.1) for n in (5, 6)]
    assert keys([*runs, *worse]) == [(1, 4)]


def test_the_longest_runs_come_first():
    runs = [ended(n, 1, n / 10) for n in range(8)] + [ended(n, 4, n / 10) for n in (6, 7)]
    assert keys(runs) == [(7, 16), (5, 4), (4, 4)]


def test_what_was_stuck_is_counted_but_not_promoted():
    runs = [ended(0, 1, None), ended(1, 1, None), ended(2, 1, 0.1), ended(3, 1, None)]
    assert keys(runs) == [(2, 4)]
    assert keys([*runs, ended(2, 4, None)]) == []


def test_what_has_not_begun_to_learn_leaves_its_place_to_nobody():
    late = [ended(n, 1, 0.1, has_learned=False) for n in range(3)]
    assert keys([*late, ended(3, 1, 0.6)]) == [(3, 4)]
    assert keys(late) == [(0, 4)]  # where none has, it may only need longer


def test_of_two_tries_the_later_counts():
    assert keys([ended(0, 1, None), ended(1, 1, 0.1), ended(0, 1, 0.5)]) == [(0, 4)]


def test_the_best_so_far_go_straight_to_the_top():
    runs = [ended(0, 1, 0.9), ended(1, 1, 0.8), ended(2, 1, 0.7), ended(1, 4, 0.85)]
    runs += [ended(3, 1, 0.95), ended(3, 4, None)]
    found = promote_best(runs, 16, 9)
    assert [(key.configuration, key.budget) for key in found] == [(1, 16), (0, 16), (2, 16)]
    assert promote_best(runs, 16, 1) == found[:1]
    assert promote_best([*runs, ended(1, 16, 0.9)], 16, 9) == found[1:]
