"""Prints a final evaluation for people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table


def with_interval(score: Mapping[str, Any]) -> str:
    """A score as "0.8912 (95 % interval 0.8890 to 0.8934)"."""
    if score["mean"] is None:
        return "not finite"
    if score["low"] is None:
        return f"{score['mean']:.4f} (one seed, no interval)"
    return f"{score['mean']:.4f} (95 % interval {score['low']:.4f} to {score['high']:.4f})"


def print_evaluation(
    console: Console, found: Mapping[str, Any], directory: Path, next_step: str | None = None
) -> None:
    """Print accuracy, loss, the classes' scores, what to mind, and where the files are.

    `found` is what evaluation.json in `directory` holds; `next_step` is printed last.
    """
    runs = found["runs"]
    ended = [f"seed {run['seed']} was {run['stop_reason']}" for run in runs]
    faulty = [text for text, run in zip(ended, runs, strict=True) if _early(run)]
    seconds = sum(run["train_seconds"] for run in runs)
    console.print(_class_table(found["per_class"]))
    lines = [
        f"test accuracy {with_interval(found['accuracy'])} over {_seeds(len(runs))}",
        f"test loss     {with_interval(found['loss'])}",
        *_ensemble_lines(found["ensembles_of_the_seeds"], len(runs)),
        *_calibration_lines(found["calibration"]),
        f"trained on {found['images']['train']:,} images, judged on {found['images']['test']:,}; "
        f"{seconds:.0f} s on {found['device']}, {found['precision']['training']}",
        *faulty,
        f"this study has opened the test set {_times(found['test_set_opened'])}",
        f"written: {directory}/ evaluation.json, predictions.npz, model.keras",
        *([] if next_step is None else [f"next: {next_step}"]),
    ]
    console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)


def _ensemble_lines(found: Mapping[str, Any] | None, seeds: int) -> list[str]:
    if found is None:
        return []
    majority, mean = found["majority"], found["mean_probability"]
    return [
        f"as an extra, the {seeds} networks together, not the saved model: "
        f"{majority['accuracy']:.4f} by majority, {mean['accuracy']:.4f} by mean probability "
        f"(loss {mean['loss']:.4f})",
    ]


def _calibration_lines(found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return []
    error = with_interval(found["expected_calibration_error"])
    return [f"expected calibration error {error}"]


def _early(run: Mapping[str, Any]) -> bool:
    return bool(run["stop_reason"] != "completed")


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"


def _times(count: int) -> str:
    if count == 1:
        return "once"
    return f"{count} times; a figure that was looked at often is too good to be true"


def _class_table(per_class: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table(
        title="means over the seeds, on the test set",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("class")
    for column in ("precision", "recall", "F1"):
        table.add_column(column, justify="right")
    for name, scores in per_class.items():
        table.add_row(name, *(f"{scores[s]['mean']:.4f}" for s in ("precision", "recall", "f1")))
    return table
