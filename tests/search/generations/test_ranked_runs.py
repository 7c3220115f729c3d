"""The values by which runs are promoted and shown, where there are further objectives."""

from __future__ import annotations

from dataclasses import replace

from search.generations.promotions import promote
from search.generations.ranked_runs import ranked_runs
from search.study.runs import EndedRun, RunKey
from tests.search.several_objectives import preset, size_of

SMALL, LARGE = ("4-8", 16), ("64-128", 256)


def run(name: int, size, value: float | None, budget: int = 1, replicate: int = 0, **measured):
    params = {"learning_rate": 0.1, "dropout": 0.2, "filters": size[0], "dense_units": size[1]}
    return EndedRun(RunKey(name, budget, replicate), params, value, 0, name, measured=measured)


def values(runs, **objective) -> dict[int, float | None]:
    return {r.key.configuration: r.value for r in ranked_runs(runs, preset(objective))}


RUNS = [run(0, LARGE, 0.9), run(1, SMALL, 0.8), run(2, LARGE, 0.7), run(3, SMALL, 0.6)]


def test_without_further_objectives_they_are_as_they_are():
    assert ranked_runs(RUNS, preset(None)) is RUNS


def test_the_front_comes_first_and_of_it_the_most_accurate():
    assert values(RUNS, minimize=["parameters"]) == {0: 1, 1: 0.75, 2: 0.5, 3: 0.25}
    apart = [run(0, LARGE, 0.9), run(1, SMALL, 0.6), run(2, LARGE, 0.7)]
    assert values(apart, minimize=["parameters"]) == {0: 1, 1: 1 - 1 / 3, 2: 1 - 2 / 3}
    swapped = [replace(RUNS[1], value=0.65), *RUNS[2:]]
    assert values(swapped, minimize=["parameters"]) == {2: 1, 1: 1 - 1 / 3, 3: 1 - 2 / 3}


def test_each_budget_is_ranked_for_itself_and_seeds_count_by_their_mean():
    runs = [*RUNS, run(2, LARGE, 0.9, 3), run(0, LARGE, 0.95, 3), run(0, LARGE, 0.8, 3, 1)]
    found = {r.key: r.value for r in ranked_runs(runs, preset({"minimize": ["parameters"]}))}
    assert (found[2, 3, 0], found[0, 3, 0], found[0, 3, 1]) == (1, 0.5, 0.5)
    assert found[0, 1, 0] == 1


def test_what_violates_a_constraint_has_no_value_and_is_not_promoted():
    most = size_of(preset(None), {"filters": "4-8", "dense_units": 16})
    limit = {"constraints": [f"parameters <= {most}"]}
    assert values(RUNS, **limit) == {0: None, 1: 0.8, 2: None, 3: 0.6}  # accuracies as they are
    keys = promote(ranked_runs(RUNS, preset(limit)), (1, 3, 10), 2)
    assert [key.configuration for key in keys] == [1, 3]


def test_seconds_are_known_of_runs_that_took_them():
    slow = [run(0, LARGE, 0.9, train_seconds=9.0), run(1, SMALL, 0.8, train_seconds=2.0)]
    assert values(slow, constraints=["train_seconds <= 5"]) == {0: None, 1: 0.8}


def test_what_was_stuck_has_no_value():
    assert values([run(0, SMALL, None), run(1, LARGE, 0.5)], minimize=["parameters"]) == {
        0: None,
        1: 1,
    }
    assert values([run(0, SMALL, None)], minimize=["latency_ms"]) == {0: None}
