"""The Pareto front, and which configuration of it a rule takes."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from search.presets.objective import ObjectiveConfig
from search.study import pareto as module
from search.study.pareto import (
    dominates,
    exported,
    fronts,
    pareto_front,
    point,
    standard_error,
    within_one_standard_error,
)
from search.study.runs import EndedRun, RunKey
from search.study.standings import standings
from tests.search.several_objectives import preset, size_of

SIZES = {"smallest": ("4-8", 16), "small": ("16-32", 32), "large": ("64-128", 256)}
PARAMETERS = ObjectiveConfig(minimize=("parameters",))
MADE = preset({"minimize": ["parameters"]})


def run(name: int, size: str, value: float, replicate: int = 0, **measured: float) -> EndedRun:
    filters, units = SIZES[size]
    params = {"learning_rate": 0.1, "dropout": 0.2, "filters": filters, "dense_units": units}
    return EndedRun(RunKey(name, 10, replicate), params, value, 0, name, measured=measured)


def stand(seeds: dict[int, tuple[str, list[float]]], made=MADE):
    """The standings of configurations: their size, and the values of their seeds."""
    runs = [
        run(name, size, value, replicate)
        for name, (size, values) in seeds.items()
        for replicate, value in enumerate(values)
    ]
    return standings(runs, made, 10)


def numbers(found) -> list[int]:
    return [one.configuration for one in found]


def test_the_examples_of_the_documentation():
    assert doctest.testmod(module).failed == 0


def test_fronts_are_what_is_left_when_the_first_ones_are_taken_away():
    random = np.random.default_rng(0)
    points = [tuple(row) for row in random.integers(0, 6, (40, 3))]
    found, left = fronts(points), set(range(40))
    for number in range(max(found) + 1):
        front = {n for n in left if not any(dominates(points[m], points[n]) for m in left)}
        assert front == {n for n in left if found[n] == number}
        left -= front
    assert left == set()
    assert fronts([]) == []


def test_what_is_not_known_counts_as_the_worst():
    assert point(0.9, {"parameters": 5}, ("parameters", "latency_ms")) == (-0.9, 5, float("inf"))
    assert fronts([point(0.9, {}, ("latency_ms",)), point(0.8, {}, ("latency_ms",))]) == [0, 1]


def test_the_front_has_those_that_no_other_dominates():
    found = stand(
        {
            1: ("large", [0.93]),
            2: ("small", [0.92]),
            3: ("large", [0.91]),
            4: ("smallest", [0.80]),
            5: ("smallest", [0.75]),
        }
    )
    assert numbers(pareto_front(found, ("parameters",))) == [1, 2, 4]
    assert numbers(pareto_front(found, ())) == [1]


def test_what_violates_a_constraint_stands_nowhere():
    most = size_of(MADE, {"filters": "16-32", "dense_units": 32})
    made = preset({"constraints": [f"parameters <= {most}", "latency_ms <= 2"]})
    runs = [run(1, "large", 0.93), run(2, "small", 0.92, latency_ms=1.0)]
    runs += [run(3, "small", 0.925, latency_ms=3.0), run(4, "small", 0.91)]
    assert numbers(standings(runs, made, 10)) == [2, 4]
    assert numbers(standings(runs, MADE, 10)) == [1, 3, 2, 4]


def test_measures_are_means_over_seeds():
    runs = [run(1, "small", 0.9, n, train_seconds=10.0 + n, latency_ms=0.5) for n in range(3)]
    (one,) = standings(runs, MADE, 10)
    size = size_of(MADE, {"filters": "16-32", "dense_units": 32})
    assert one.measured == {"parameters": size, "train_seconds": 11.0, "latency_ms": 0.5}


NEAR = {
    1: ("large", [0.93] * 4),
    2: ("small", [0.9295] * 3),
    3: ("smallest", [0.90] * 3),
}


def test_the_smallest_within_one_standard_error():
    found = stand(NEAR)
    assert standard_error(found[0]) > found[0].mean - found[1].mean
    assert numbers(within_one_standard_error(found, ("parameters",))) == [1, 2]
    assert exported(found, PARAMETERS, "one_standard_error").configuration == 2
    assert exported(found, None, "one_standard_error").configuration == 2


@pytest.mark.parametrize(
    ("seeds", "taken"),
    [
        ({**NEAR, 2: ("small", [0.9295, 0.9295])}, 1),  # one seed of the race is not enough
        ({**NEAR, 2: ("small", [0.92] * 3)}, 1),  # too far away
        ({1: NEAR[1]}, 1),
        ({1: ("large", [0.93])}, 1),
    ],
)
def test_none_is_taken_that_is_not_known_to_be_that_good(seeds, taken):
    assert exported(stand(seeds), PARAMETERS, "one_standard_error").configuration == taken


def test_the_best_is_on_the_front():
    """Of equals the one with the fewest weights is taken, but not one that another dominates."""
    runs = [
        run(name, size, value, n, latency_ms=latency)
        for name, size, value, latency in (
            (1, "large", 0.930, 1.0),
            (2, "small", 0.929, 0.5),
            (3, "smallest", 0.9285, 2.0),  # the smallest of all, but slower than 2
        )
        for n in range(4)
    ]
    for measure, taken in (("latency_ms", 2), ("parameters", 3)):
        made = preset({"minimize": [measure]})
        found = standings(runs, made, 10)
        assert exported(found, made.objective, "best").configuration == taken
