"""Replays of searches in budgets: a table made by hand, and the one in git."""

from __future__ import annotations

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution

from benchmarks.curves.lookup import Curves, WholeRuns
from benchmarks.curves.table import STORED
from benchmarks.replay_budgets import METHODS, Method, Replayed, in_budgets, search
from tests.benchmarks.test_replay_search import SPACE as ACTIVATION_AND_RATE, record

SPACE = {**ACTIVATION_AND_RATE, "schedule": CategoricalDistribution(["constant", "cosine"])}


def scheduled(key: str, schedule: str, *curve: float, **more):
    made = record("relu", 0.1, *curve, **more)
    made["params"]["schedule"] = schedule
    return {"key": key, **made}


CONSTANT = scheduled("a", "constant", 0.2, 0.4, 0.6)
COSINE = scheduled("b", "cosine", 0.1, 0.2, 0.9)
KNOWN = WholeRuns(Curves(SPACE, [CONSTANT, COSINE]), [scheduled("b@1", "cosine", 0.5)])


def test_with_a_constant_rate_a_longer_run_goes_on():
    assert KNOWN.run(0, 1, 0) == (0.2, 1.0)
    assert KNOWN.run(0, 3, 1) == (0.6, 2.0)


def test_with_a_schedule_each_run_is_a_whole_one():
    assert KNOWN.run(1, 1, 0) == (0.5, 1.0)
    assert KNOWN.run(1, 3, 1) == (0.9, 3.0)


def test_a_configuration_whose_shorter_runs_are_not_known_is_left_out():
    lacking = WholeRuns(KNOWN.curves, [scheduled("c@1", "cosine", 0.5)])
    assert [made["key"] for made in lacking.curves.records] == ["a"]


def test_a_stuck_run_has_no_value_and_costs_what_it_trained():
    dead = scheduled("d", "constant", 0.1, 0.1, 0.1, recorded={"epoch": 2, "step": 5})
    known = WholeRuns(Curves(SPACE, [dead]), [])
    assert known.run(0, 1, 0) == (0.1, 1.0)
    assert known.run(0, 3, 1) == (None, 0.5)


@pytest.fixture(scope="module")
def paper() -> WholeRuns:
    return WholeRuns.load(STORED / "paper.jsonl.gz")


def test_a_search_trains_the_best_in_full_and_pays_for_all_that_it_trains(paper):
    made = Replayed(paper, in_budgets("paper", Method((1, 5, 10))), Method((1,)).strategy, 0)
    for _ in range(4):
        made.advance()
    assert 0 < len(made.in_full) < len(made.places) == 32
    spent, answers = np.array(made.answers).T
    assert made.spent >= spent[-1] > 0
    assert list(spent) == sorted(spent)
    assert answers[-1] > 0.8


def test_a_search_is_the_same_twice(paper):
    name, method = next(iter(METHODS["paper"].items()))
    rows = [search(paper, "paper", name, method, 3) for _ in range(2)]
    assert rows[0] == rows[1]
    assert all(0 <= regret < 1 for regret in rows[0]["regret"])
