"""Whole searches: the arms train for real on few images; what is made of their rows."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import search
from benchmarks.peers.figure import anytime, figure
from benchmarks.peers.logged_progress import is_new
from benchmarks.peers.ours import _best as found_best
from benchmarks.peers.question import Log, Question
from search.presets.files import load_preset
from search.study.winner import winner
from tests.conftest import PATHS
from tests.search.in_budgets import PRESET, SimulatedSearch


def arms(letters: str, *marks: pytest.MarkDecorator) -> list[object]:
    """The arms of these letters, marked."""
    return [pytest.param(arm, marks=marks) for arm in search.ARMS if arm[1] in letters]


TINY = Question("smoke", images=500, batch_size=50, epochs=2, trials=2)


def check(row, configurations=TINY.trials):
    assert row["configurations"] == configurations
    assert len(row["curve"]) == row["epochs"] >= TINY.trials
    seconds, best = np.array(row["curve"]).T
    assert list(seconds) == sorted(seconds)
    assert list(best) == sorted(best)
    assert 0 < row["best"] <= best[-1] + 1e-6
    assert set(row["params"]) == set(TINY.load().space.dimensions())
    TINY.configurations(row["params"], 0)


@pytest.mark.parametrize("arm", [*arms("d"), *arms("g", pytest.mark.slow)])
def test_an_arm_searches(arm, everything):
    check(search.ARMS[arm](TINY, 0))


@pytest.mark.parametrize("arm", [search.OURS, *arms("h", pytest.mark.slow)])
def test_ours_searches_in_budgets(arm, everything):
    """Of two runs the second one promotes the configuration of the first."""
    check(search.ARMS[arm](TINY, 0), configurations=1)


@pytest.mark.parametrize("arm", [arm for arm in search.ARMS if "KerasTuner" in arm])
def test_keras_tuner_searches(arm, everything):
    pytest.importorskip("keras_tuner", reason="KerasTuner is not installed (the extra bench)")
    # With two epochs Hyperband has one bracket of two.
    check(search.ARMS[arm](TINY, 0))


def test_no_two_searches_of_an_arm_are_judged_by_the_same_seeds():
    taken = [set(search.seeds_anew(seed)) for seed in range(3)]
    assert len(set().union(*taken)) == sum(map(len, taken)) == 30


def test_ours_begins_without_the_presets_arms():
    asked = Question("paper", 1000, 21, 3, 4).load()
    assert asked.arms == ()
    assert (asked.data.limit, asked.train["batch_size"], asked.epochs) == (1000, 21, 3)
    assert asked.budgets[-1] == 3
    paper = load_preset("paper", PATHS.presets)
    assert Question("paper", 1000, 21, paper.epochs, 4).load().budgets == paper.budgets


@pytest.mark.parametrize(("output", "stuck"), [("relu", True), ("softmax", False)])
def test_a_peers_stuck_run_is_known_by_its_gradient(output, stuck, everything):
    from benchmarks.peers.fit import Tell, arrays, fit

    question = TINY._replace(epochs=1)
    params = {
        "activation": "relu",
        "output_activation": output,
        "dropout": 0.0,
        "learning_rate": 0.45,
    }
    log, data = Log(), arrays(*question.data())
    fit(*question.configurations(params, 1), data, [Tell(log, data)])
    assert (log.stuck > 0) == stuck
    assert log.configurations == 1


def row(arm, seed, *curve):
    return {"arm": arm, "seed": seed, "curve": list(curve), "seconds": curve[-1][0]}


def test_rows_are_paired_by_seed_and_times_read_from_the_curve():
    rows = [row("a", 1, (1, 0.5), (2, 0.8)), row("b", 0, (1, 0.1)), row("b", 1, (3, 0.7))]
    ((mine, other),) = search.pairs(rows, "a", "b")
    assert (mine["seed"], other["seconds"]) == (1, 3)
    assert search.time_to(mine, 0.7) == 2
    assert search.time_to(mine, 0.9) is None


def test_the_curve_is_the_median_of_what_was_seen_by_then():
    rows = [row("(a)", n, (1, 0.1 * n), (2, 0.1 * n + 0.5)) for n in (1, 2, 3)]
    assert anytime(rows, np.array([0.5, 1.5, 2.0, 9.0])) == pytest.approx(
        [np.nan, 0.2, 0.7, np.nan], nan_ok=True
    )
    assert [trace.name for trace in figure(rows).data] == ["(a)"]


def test_of_a_search_in_budgets_the_chosen_winner_is_our_best():
    """Not the trial of highest value, which one lucky seed has."""
    trials, question = SimulatedSearch().trials, SimpleNamespace(load=lambda: PRESET)
    value, params = found_best(trials, question)
    chosen = winner(trials, PRESET).standing
    assert (value, params) == (chosen.mean, chosen.params)
    assert value < max(trial.value or 0 for trial in trials)
    assert sum(map(is_new, trials)) == 16
