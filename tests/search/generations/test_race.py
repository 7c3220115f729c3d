"""Who gets the next seeds; and what the race does for the figure that is reported."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest

from search.generations.race import MOST_SEEDS, race, seeds_to_decide
from search.study.runs import EndedRun, RunKey
from search.study.standings import chosen, is_decided, standings
from tests.search.in_budgets import PRESET, TOP, ended


def runs_of(seeds: dict[int, list[float | None]]) -> list[EndedRun]:
    return [ended(c, v, r) for c, values in seeds.items() for r, v in enumerate(values)]


def next_of(seeds: dict[int, list[float | None]], count: int) -> list[RunKey]:
    return race(runs_of(seeds), PRESET, TOP, count)


def test_seeds_go_to_those_that_may_be_the_best_and_are_numbered_on():
    planned = next_of({1: [0.92], 2: [0.918], 3: [0.917], 4: [0.5]}, 10)
    counts = Counter(key.configuration for key in planned)
    assert set(counts) == {1, 2, 3}
    assert counts[1] >= counts[3]
    assert all(key.budget == TOP for key in planned)
    assert [key.replicate for key in planned if key.configuration == 1] == [
        *range(1, counts[1] + 1)
    ]


def test_of_the_leader_and_its_challenger_the_one_with_fewer_seeds_is_next():
    assert next_of({1: [0.92, 0.92, 0.92], 2: [0.92, 0.917]}, 1) == [RunKey(2, TOP, 2)]
    assert next_of({1: [0.92, 0.92], 2: [0.92, 0.917, 0.917]}, 1) == [RunKey(1, TOP, 2)]


def test_it_ends_when_it_is_decided():
    assert next_of({1: [0.93] * 4, 2: [0.90] * 4}, 4) == []
    assert next_of({1: [0.90] * 4, 2: [0.899] * 4}, 4) == []
    assert race([], PRESET, TOP, 4) == []
    assert next_of({1: [None], 2: [None]}, 4) == []


def test_one_alone_gets_the_seeds_that_decide_it():
    assert next_of({1: [0.9]}, 1) == [RunKey(1, TOP, 1)]
    assert next_of({1: [0.9, 0.9, 0.9]}, 1) == []


def test_none_gets_more_than_the_most():
    noisy = [0.90, *[0.90, 0.93] * (MOST_SEEDS // 2)]
    assert next_of({1: noisy, 2: [v - 0.003 for v in noisy]}, 4) == []
    planned = next_of({1: noisy, 2: [v - 0.003 for v in noisy[:-1]]}, 4)
    assert planned == [RunKey(2, TOP, MOST_SEEDS)]


def test_one_whose_first_seed_did_not_complete_is_not_raced():
    assert {key.configuration for key in next_of({1: [None], 2: [0.9], 3: [0.899]}, 6)} == {2, 3}


def test_the_order_of_the_runs_does_not_matter():
    runs = runs_of({1: [0.92, 0.915], 2: [0.918, 0.92], 3: [0.917]})
    assert race(runs, PRESET, TOP, 5) == race(runs[::-1], PRESET, TOP, 5)


def test_the_seeds_that_would_decide_are_estimated():
    def of(seeds: dict[int, list[float | None]]) -> int:
        return seeds_to_decide(standings(runs_of(seeds), PRESET, TOP))

    assert of({1: [0.93] * 4, 2: [0.90] * 4}) == 0
    assert of({1: [0.90] * 2, 2: [0.90] * 3}) == 2 + 1
    assert 0 < of({1: [0.92, 0.92], 2: [0.915, 0.915]}) < 2 * MOST_SEEDS
    assert of({}) == 0


# Simulated searches

CONFIGURATIONS, TRUE_SD, SEED_SD = 20, 0.004, 0.003


class Outcome(NamedTuple):
    """How far what is reported of the chosen configuration is from its true expected accuracy.

    `regret` is how much the chosen one is below the best, `covered` whether the truth lies in the
    interval. Two more are of the configuration of the greatest first seed.
    """

    optimism: float
    regret: float
    covered: bool
    first_optimism: float
    first_regret: float


def searched(number: int, seeds: int) -> Outcome:
    """Search with first seeds of all configurations, and so many more in the race."""
    random = np.random.default_rng(number)
    true = random.normal(0.92, TRUE_SD, CONFIGURATIONS)

    def run(configuration: int, replicate: int) -> EndedRun:
        return ended(configuration, float(random.normal(true[configuration], SEED_SD)), replicate)

    runs = [run(configuration, 0) for configuration in range(CONFIGURATIONS)]
    greatest = max(runs, key=lambda run: run.value)
    while seeds and (plan := race(runs, PRESET, TOP, min(4, seeds))):
        seeds -= len(plan)
        runs += [run(key.configuration, key.replicate) for key in plan]
    best = chosen(standings(runs, PRESET, TOP))
    truth = float(true[best.configuration])
    first = float(true[greatest.key.configuration])
    return Outcome(
        best.mean - truth,
        float(true.max()) - truth,
        best.low <= truth <= best.high,
        greatest.value - first,
        float(true.max()) - first,
    )


@pytest.mark.parametrize(
    ("searches", "seeds"),
    [(60, 12), *[pytest.param(300, n, marks=pytest.mark.slow) for n in (8, 12, 15)]],
)
def test_what_is_reported_of_the_best_is_what_it_is(searches, seeds):
    """300 searches take half a minute: slow."""
    found = [searched(number, seeds) for number in range(searches)]
    mean = Outcome(*(float(np.mean(values)) for values in zip(*found, strict=True)))
    assert abs(mean.optimism) < 0.001
    assert mean.first_optimism > 3 * abs(mean.optimism)
    assert mean.first_optimism > 0.003
    assert mean.regret < 0.001
    assert mean.regret < 0.6 * mean.first_regret
    assert mean.covered > 0.9


def test_a_race_that_may_go_on_is_decided():
    random = np.random.default_rng(0)
    true = random.normal(0.92, TRUE_SD, 8)
    runs = [ended(c, float(random.normal(true[c], SEED_SD))) for c in range(8)]
    while plan := race(runs, PRESET, TOP, 2):
        runs += [
            ended(
                k.configuration, float(random.normal(true[k.configuration], SEED_SD)), k.replicate
            )
            for k in plan
        ]
    found = standings(runs, PRESET, TOP)
    assert is_decided(found)
    assert true.max() - true[chosen(found).configuration] < 0.004
