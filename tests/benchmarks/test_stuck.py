"""The detector's benchmark: its rules on records made by hand, a run made for real, the claim."""

from __future__ import annotations

import json

import optuna
import pytest

from benchmarks.stuck import rules
from benchmarks.stuck.__main__ import STORED
from benchmarks.stuck.judging import load, ours, proportion
from benchmarks.stuck.sampling import IMAGES, band, paper, sampled, seen

EPOCHS = 8


def record(loss, accuracy, zero=0.0, mean_abs=1e-2):
    """A run of eight epochs with two layers, kernel and bias, whose gradients stay the same."""
    gradient = {
        "zero": [zero] * 4,
        "mean_abs": [mean_abs] * 4,
        "norm": [mean_abs * 10] * 4,
        "size": [100, 10, 100, 10],
    }
    curves = {"loss": loss, "val_loss": loss, "accuracy": accuracy, "val_accuracy": accuracy}
    return {"epochs": EPOCHS, "curves": curves, "gradients": [gradient] * EPOCHS}


LEARNING = record([2.0 / n for n in range(1, 9)], [0.5 + 0.05 * n for n in range(8)])
FLAT = record([2.3026] * EPOCHS, [0.1] * EPOCHS)
DEAD = record([2.3026] * EPOCHS, [0.1] * EPOCHS, zero=1.0, mean_abs=0.0)


@pytest.mark.parametrize(
    ("rule", "learning", "dead"),
    [(rules.autotrainer, None, 4), (rules.bttackler, None, 1)],
)
def test_published_rules_stop_a_dead_run_and_not_a_learning_one(rule, learning, dead):
    """AUTOTRAINER looks after epochs 1, 4, 7 and judges accuracy from 30 % on: the fourth."""
    for alone in (False, True):
        assert rule(LEARNING, dying_relu_alone=alone) == learning
        assert rule(DEAD, dying_relu_alone=alone) == dead


def test_slow_is_not_dying_relu():
    assert rules.autotrainer(FLAT, dying_relu_alone=True) is None
    assert rules.bttackler(FLAT, dying_relu_alone=True) is None


def test_optunas_pruners_keep_flat_curves():
    for name in ("Median", "SuccessiveHalving", "Hyperband"):
        pruner = rules.pruners(EPOCHS)[name]
        assert rules.pruned([FLAT] * 30, pruner) == [None] * 30, name


def test_threshold_stops_at_once():
    pruner = optuna.pruners.ThresholdPruner(lower=0.11)
    assert rules.pruned([FLAT, LEARNING], pruner) == [1, None]


def test_the_runs_are_the_same_whatever_their_number():
    assert sampled(20) == sampled(400)[:20]
    assert [band(rate) for rate in (0.05, 0.2, 1.0, 2.0)] == [0, 1, 3, 3]
    assert 0 < sum(map(seen, sampled(600))) < 300
    assert {run.model.output_activation for run in paper(1)} == {"relu", "softmax"}


def test_a_run_is_trained_and_judged(everything, tmp_path):
    from benchmarks.stuck.training import train_all

    results = tmp_path / "runs.jsonl"
    runs = [run._replace(images=IMAGES) for run in sampled(34) if run.key == "sampled-33"]
    counts: list[int] = []
    train_all(runs, everything, results, counts.append)
    results.write_text(results.read_text() + '{"key": "half a li')
    train_all(runs, everything, results, counts.append)
    assert counts == [1, 1]
    (judged,) = load(results)
    assert judged.fate == "dead"
    stop = ours(judged)
    assert (stop.kind, stop.certain) == ("dead_output", False)
    assert stop.share < 0.1
    assert len(json.loads(results.read_text())["gradients"]) == EPOCHS


def test_no_certain_stop_has_ever_been_wrong():
    """Over all stored runs: nobody who was stopped for certain would have learned."""
    runs = load(STORED)
    stops = [(judged, ours(judged)) for judged in runs]
    assert sum(judged.fate == "learned" for judged in runs) >= 300
    assert sum(judged.fate == "dead" for judged in runs) >= 100
    assert not [j.run.key for j, s in stops if s and s.certain and j.fate == "learned"]
    # What was recorded is of the first verdict, which may be an explosion before the death.
    certain = [
        j.record["recorded"]
        for j, s in stops
        if s and s.certain and j.record["layer"] and j.record["kind"] == s.kind
    ]
    assert certain
    assert not any(recorded["moved"] or recorded["revived"] for recorded in certain)


def test_wilsons_interval():
    assert proportion([True] * 9 + [False]) == "9/10 = 0.900 (0.596 to 0.982)"
