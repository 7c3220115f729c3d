"""Replays of other libraries: a table made by hand, and every library that is installed."""

from __future__ import annotations

import warnings

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from benchmarks import replay_peers
from benchmarks.curves.lookup import Curves, WholeRuns
from benchmarks.peers.multi_fidelity import PEERS, Wanted
from benchmarks.replay_budgets import METHODS
from benchmarks.replay_peers import CHANCE, OURS, Ledger, chosen, follow
from fmnist_model.utils.errors import UserError
from tests.benchmarks.test_replay_budgets import KNOWN, SPACE, scheduled

STUCK = scheduled("d", "constant", 0.1, 0.1, 0.1, recorded={"epoch": 2, "step": 5})
MIXED = {
    "learning_rate": FloatDistribution(0.01, 1, log=True),
    "dropout": FloatDistribution(0, 0.5),
    "shift": IntDistribution(0, 2),
    "dense_units": CategoricalDistribution([64, 128]),
    "flip": CategoricalDistribution([True, False]),
    "filters": CategoricalDistribution(["32-64", "48-96"]),
}
"""Every kind of parameter that the presets have."""


def wanted(known, place: int, epochs: int) -> Wanted:
    return Wanted(known.curves.records[place]["params"], epochs)


def test_a_longer_run_goes_on_where_the_rate_is_constant_and_the_same_run_costs_nothing():
    ledger = Ledger(KNOWN)
    assert [ledger.train(wanted(KNOWN, 0, epochs)) for epochs in (1, 3, 3, 1)] == [
        0.2,
        0.6,
        0.6,
        0.2,
    ]
    assert (ledger.spent, ledger.runs, ledger.configurations) == (3, 2, 1)


def test_with_a_schedule_each_run_is_paid_for_as_a_whole():
    ledger = Ledger(KNOWN)
    assert [ledger.train(wanted(KNOWN, 1, epochs)) for epochs in (1, 3)] == [0.5, 0.9]
    assert ledger.spent == 4


def test_a_stuck_run_is_paid_until_it_is_stopped_and_has_the_accuracy_of_chance():
    ledger = Ledger(WholeRuns(Curves(SPACE, [STUCK]), []))
    assert ledger.train(wanted(KNOWN, 0, 3)) == CHANCE
    assert ledger.spent == 1.5
    assert len(ledger.answers) == 1


def test_the_answer_is_the_best_of_those_with_the_longest_runs():
    ledger = Ledger(KNOWN)
    for place, epochs in ((1, 1), (0, 3), (1, 1), (1, 3)):
        ledger.train(wanted(KNOWN, place, epochs))
    assert ledger.answers == [(0, 0), (1, 0.9), (4, 0.6), (7, 0.9)]


def test_each_configuration_is_answered_with_a_run_of_its_own():
    ledger = Ledger(KNOWN)
    params = KNOWN.curves.records[0]["params"]
    other = {**params, "learning_rate": params["learning_rate"] * 1.01}
    assert [ledger.train(Wanted(one, 3)) for one in (params, other, params)] == [0.6, 0.9, 0.6]


def test_a_search_is_answered_until_its_epochs_are_spent_and_then_closed():
    told = []

    def asking():
        try:
            while True:
                told.append((yield wanted(KNOWN, len(told) % 2, 3)))
        finally:
            told.append("closed")

    ledger = follow(KNOWN, asking(), 5)
    assert told == [0.6, 0.9, "closed"]
    assert ledger.spent == 6


@pytest.mark.parametrize("name", PEERS)
def test_a_library_asks_for_runs_of_several_lengths_the_same_ones_again(name):
    if not PEERS[name].is_installed():
        pytest.skip(f"{PEERS[name].package} is not installed (docs/benchmarks.md)")

    def asked(seed: int) -> list[Wanted]:
        found = []
        asking = PEERS[name].begin(MIXED, 9, 30, seed)
        found.append(next(asking))
        while sum(one.epochs for one in found) < 30:
            found.append(asking.send(1 - found[-1].params["dropout"]))
        asking.close()
        return found

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first, again, other = asked(0), asked(0), asked(1)
    assert first == again != other
    for one in first:
        assert set(one.params) == set(MIXED)
        assert 1 <= one.epochs <= 9
        for parameter, distribution in MIXED.items():
            value = one.params[parameter]
            if isinstance(distribution, CategoricalDistribution):
                assert value in distribution.choices
            else:
                assert distribution.low <= value <= distribution.high
    if not name.endswith("in full"):
        assert len({one.epochs for one in first}) > 1


def test_our_searches_beside_them_are_known():
    for preset, names in OURS.items():
        assert set(names) <= set(METHODS[preset])


def test_what_is_not_installed_is_said_in_a_sentence(monkeypatch):
    with pytest.raises(UserError, match="no search of paper begins with 'bohb'"):
        chosen("paper", "bohb")
    monkeypatch.setattr(replay_peers, "methods", lambda _: {"smac": False, "random": True})
    with pytest.raises(UserError, match=r"smac is not installed here; docs/benchmarks\.md says"):
        chosen("paper", "smac")
    assert chosen("paper", "") == ["random"]
