"""Arms trained with the same seeds: continued after an interrupt, evaluated once, never mixed up.

Small networks on few images; tests/studies/paper/test_write.py trains the paper's arms.
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product

import pytest

from fmnist_model.config import ModelConfig
from fmnist_model.utils.errors import UserError
from search.execution.paired_runs import (
    PairedComparison,
    PairedRun,
    evaluate_runs,
    run_of,
    runs_done,
    train_runs,
)
from tests.conftest import PATHS
from tests.search.conftest import URL, load

SMALL = {"filters": (4, 8), "dense_units": 16}
ARMS = {
    "relu": ModelConfig(activation="relu", **SMALL),
    "dead": ModelConfig(output_activation="relu", **SMALL),
}
QUESTION = PairedComparison("arms", ARMS, PATHS, epochs=2, batch_size=100, limit=500)
RUNS = [PairedRun(arm, 0.2, seed) for arm, seed in product(ARMS, (0, 1))]


def train(data, runs=RUNS, question=QUESTION, until=None) -> list[PairedRun]:
    """Train, and be interrupted after the run `until`; return the runs that were trained."""
    trained: list[PairedRun] = []

    def on_run(run, _result) -> None:
        trained.append(run)
        if run == until:
            raise KeyboardInterrupt

    train_runs(question, runs, URL, data, print, on_run)
    return trained


def test_an_interrupted_comparison_continues_and_is_evaluated_once(custom_data):
    with pytest.raises(KeyboardInterrupt):
        train(custom_data, until=RUNS[0])
    assert runs_done(QUESTION, URL) == {RUNS[0]}
    assert train(custom_data) == RUNS[1:]
    assert [run_of(trial) for trial in load("arms").trials] == RUNS
    assert train(custom_data) == []

    scores = evaluate_runs(QUESTION, RUNS, custom_data, print, lambda _count: None)
    assert [(s["arm"], s["seed"]) for s in scores] == [(run.arm, run.seed) for run in RUNS]
    accuracies = {(s["arm"], s["seed"]): s["accuracy"] for s in scores}
    assert len(set(accuracies.values())) > 2
    again = evaluate_runs(QUESTION, RUNS, None, print, lambda _: pytest.fail("opened again"))
    assert again == scores
    log = (QUESTION.directory / "test_set_openings.jsonl").read_text().splitlines()
    assert [json.loads(line)["purpose"] for line in log] == ["the arms of the comparison"]

    QUESTION.weights(RUNS[2]).unlink()
    assert train(custom_data) == [RUNS[2]]
    assert len(load("arms").trials) == len(RUNS)


def test_a_comparison_with_other_arms_is_another_one(custom_data):
    train(custom_data, RUNS[:1])
    for other in (replace(QUESTION, epochs=3), replace(QUESTION, arms={"relu": ARMS["relu"]})):
        with pytest.raises(UserError, match="was begun with other arms, epochs or images"):
            train(custom_data, RUNS[:1], other)


def test_nothing_is_done_where_there_is_no_database(project):
    assert runs_done(QUESTION, URL) == set()
