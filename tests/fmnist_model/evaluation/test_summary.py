"""A final evaluation in words, from a real one that was kept."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from fmnist_model.evaluation.summary import print_evaluation, with_interval
from tests.conftest import ROOT

KEPT = json.loads((ROOT / "tests/search/study/old_study/evaluation.json").read_text())


def printed(found: dict, next_step: str | None = None) -> str:
    console = Console(file=io.StringIO(), width=200)
    print_evaluation(console, found, Path("there"), next_step)
    return console.file.getvalue()


def test_the_figures_and_the_files_are_named():
    text = printed(KEPT)
    assert f"test accuracy {with_interval(KEPT['accuracy'])} over {len(KEPT['runs'])} seed" in text
    assert f"test loss     {with_interval(KEPT['loss'])}" in text
    for name, scores in KEPT["per_class"].items():
        (line,) = [line for line in text.splitlines() if line.strip().startswith(name)]
        assert f"{scores['f1']['mean']:.4f}" in line
    assert "written: there/ evaluation.json, predictions.npz, model.keras" in text
    assert "next:" not in text
    assert printed(KEPT, "draw it").endswith("next: draw it\n")


def test_a_run_that_ended_early_and_a_second_opening_are_told():
    runs = [KEPT["runs"][0] | {"seed": 7, "stop_reason": "diverged"}]
    text = printed(KEPT | {"runs": runs, "test_set_opened": 3})
    assert "seed 7 was diverged" in text
    assert "has opened the test set 3 times; a figure that was looked at often" in text
    assert "opened the test set once" in printed(KEPT | {"test_set_opened": 1})


@pytest.mark.parametrize(
    ("score", "words"),
    [
        ({"mean": 0.5, "low": 0.4, "high": 0.6}, "0.5000 (95 % interval 0.4000 to 0.6000)"),
        ({"mean": 0.5, "low": None, "high": None}, "0.5000 (one seed, no interval)"),
        ({"mean": None, "low": None, "high": None}, "not finite"),
    ],
)
def test_a_score_has_its_interval(score, words):
    assert with_interval(score) == words
