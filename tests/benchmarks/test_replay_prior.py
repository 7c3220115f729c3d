"""Searches with priors, replayed on the paper preset's stored curves."""

from __future__ import annotations

import pytest

from benchmarks.curves.lookup import WholeRuns
from benchmarks.curves.table import STORED
from benchmarks.replay_prior import EPOCHS, POOR, PRIORS, believed, search, warm_start
from search.generations.proposals import Strategy
from search.generations.warm_start import TAKEN

KNOWN = WholeRuns.load(STORED / "paper.jsonl.gz")
CURVES = KNOWN.curves


def final(params) -> float:
    return CURVES.finals[CURVES.nearest(params)]


def test_a_right_prior_is_near_the_best_and_a_wrong_one_near_one_that_learns_poorly():
    assert believed(CURVES, "none") is None
    assert final(believed(CURVES, "right")) == CURVES.finals.max()
    assert 0.5 < final(believed(CURVES, "wrong")) < POOR


def test_a_warm_start_takes_the_best_of_another_search():
    assert warm_start(KNOWN, "right", "qmc", 0) == []
    best = [final(params) for params in warm_start(KNOWN, "warm start", "qmc", 0)]
    worst = [final(params) for params in warm_start(KNOWN, "wrong warm start", "qmc", 0)]
    assert len(best) == TAKEN
    assert sum(best) / len(best) > sum(worst) / len(worst)


@pytest.mark.parametrize("prior", PRIORS)
def test_a_search_is_repeated_exactly_and_finds_a_good_one(prior):
    row = search(KNOWN, "qmc", prior, 1, Strategy())
    assert row == search(KNOWN, "qmc", prior, 1, Strategy())
    assert len(row["regret"]) == len(EPOCHS)
    assert 0 <= row["regret"][-1] < 0.05
    none = search(KNOWN, "qmc", "none", 1, Strategy())
    assert (row["regret"] == none["regret"]) == (prior == "none")
