"""The sections of the report that show a final evaluation on the test set."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial
from PIL import Image

from fmnist_model.dataset import CLASS_NAMES
from fmnist_model.evaluation import openings, with_interval
from studies.page import Figure, Section, Thumbnail, Tile
from studies.report import evaluation_figures as drawing
from studies.report.commands import Command, Wording
from studies.report.summary import StudySummary


def read_evaluation(directory: Path) -> dict[str, Any] | None:
    """The contents of evaluation.json in `directory`; None if there has been no final
    evaluation."""
    path = directory / "evaluation.json"
    if not path.exists():
        return None
    evaluation: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return evaluation


def _evaluated_trial(evaluation: Mapping[str, Any]) -> int | None:
    number: int | None = evaluation["configuration"]["provenance"].get("trial")
    return number


def test_accuracy_tile(directory: Path, best: FrozenTrial) -> list[Tile]:
    """The test accuracy, if the evaluated configuration is that of the best trial; else no tile."""
    evaluation = read_evaluation(directory)
    if evaluation is None or _evaluated_trial(evaluation) != best.number:
        return []
    return [_score_tile("test accuracy", evaluation["accuracy"], len(evaluation["runs"]))]


def closing_advice(directory: Path, best: FrozenTrial | None, wording: Wording) -> list[str]:
    """How to evaluate the best configuration, if that has not been done yet."""
    if best is None:
        return []
    evaluation = read_evaluation(directory)
    commands = f"`{wording(Command('export'))}`, then `{wording(Command('evaluate'))}`"
    if evaluation is None:
        return [f"Write the best configuration down and judge it on the test set: {commands}."]
    if _evaluated_trial(evaluation) != best.number:
        return [
            f"The evaluation below is not of the best trial, {best.number}: {commands} would open "
            f"the test set once more."
        ]
    return []


def evaluation_section(directory: Path, summary: StudySummary) -> list[Section]:
    """The sections on the final evaluation whose files are in `directory`; none if there are
    none."""
    evaluation = read_evaluation(directory)
    if evaluation is None:
        return []
    return [
        Section(
            "Final evaluation",
            lead=f"{evaluation['protocol'].capitalize()}.",
            tiles=_tiles(evaluation, openings(directory)),
            points=_points(evaluation, summary),
            figures=_figures(evaluation),
        ),
        *_worst_images_section(directory / "predictions.npz"),
    ]


def _tiles(evaluation: Mapping[str, Any], times_opened: int) -> list[Tile]:
    seeds = len(evaluation["runs"])
    tiles = [
        _score_tile("test accuracy", evaluation["accuracy"], seeds),
        _score_tile("test loss", evaluation["loss"], seeds),
    ]
    if calibration := evaluation.get("calibration"):
        error = calibration["expected_calibration_error"]
        tiles.append(_score_tile("expected calibration error", error, seeds))
    times = "once" if times_opened == 1 else f"{times_opened} times"
    note = (
        "after the last seed had been trained"
        if times_opened == 1
        else "a figure that was looked at often is too good to be true"
    )
    return [*tiles, Tile(times, "test set opened by this study", note)]


def _score_tile(label: str, score: Mapping[str, Any], seeds: int) -> Tile:
    if score["mean"] is None:
        return Tile("not finite", label, f"{seeds} seeds")
    if score["low"] is None:
        return Tile(f"{score['mean']:.4f}", label, "one seed, no interval")
    note = f"mean of {seeds} seeds; 95 % interval {score['low']:.4f} to {score['high']:.4f}"
    return Tile(f"{score['mean']:.4f}", label, note)


def _points(evaluation: Mapping[str, Any], summary: StudySummary) -> list[str]:
    points = []
    provenance = evaluation["configuration"]["provenance"]
    if (validated := provenance.get("validation_accuracy")) is not None:
        seeds = provenance.get("validation_seeds")
        of_seeds = f", expected from {seeds} seed{'s' if seeds > 1 else ''}" if seeds else ""
        points.append(
            f"Trial {provenance['trial']} had {validated:.4f} on the validation images{of_seeds}; "
            f"on the test set {with_interval(evaluation['accuracy'])}."
        )
    if summary.best and provenance.get("trial") != summary.best.number:
        points.append(
            f"The best trial is now {summary.best.number}: this evaluation is of another."
        )
    if together := evaluation.get("ensembles_of_the_seeds"):
        points.append(
            f"As an extra, the seeds' networks together, which are not the saved model: "
            f"{together['majority']['accuracy']:.4f} by majority, "
            f"{together['mean_probability']['accuracy']:.4f} by mean probability."
        )
    early = [run for run in evaluation["runs"] if run["stop_reason"] != "completed"]
    return points + [f"Seed {run['seed']} was {run['stop_reason']}." for run in early]


def _figures(evaluation: Mapping[str, Any]) -> list[Figure]:
    drawn = [
        Figure(
            "Confusion matrix",
            drawing.draw_confusion(evaluation["confusion_matrix"]),
            "Of the images of a class (rows), the share that is called each class (columns).",
            "half",
        ),
        Figure(
            "F1 of each class",
            drawing.draw_classes(evaluation["per_class"]),
            "The harmonic mean of precision and recall: mean and 95 % interval over the seeds.",
            "half",
        ),
        Figure(
            "Curves of the seeds",
            drawing.draw_seeds(evaluation["runs"]),
            "Each epoch's loss and accuracy on the images that are trained on, while they are.",
            "half",
        ),
    ]
    if calibration := evaluation.get("calibration"):
        drawn.append(
            Figure(
                "Reliability",
                drawing.draw_reliability(calibration["bins"]),
                "How often predictions of a given confidence are right; on the diagonal they are "
                "as good as they claim. Below, how many predictions there are.",
                "half",
            )
        )
    return drawn


def _worst_images_section(path: Path) -> list[Section]:
    if not path.exists():
        return []
    with np.load(path) as arrays:
        labels, worst = arrays["labels"], arrays["worst"]
        mean = np.nanmean(arrays["probabilities"][:, worst].astype(np.float32), axis=0)
        pictures = [
            Thumbnail(
                _data_url(pixels),
                f"{CLASS_NAMES[chances.argmax()]} {chances.max():.0%}",
                f"is {CLASS_NAMES[label]} {chances[label]:.1%}",
            )
            for pixels, label, chances in zip(
                arrays["worst_pixels"], labels[worst], mean, strict=True
            )
        ]
    lead = (
        f"The {len(pictures)} test images that the seeds together are most sure and most wrong "
        f"about: in bold what they are called, beneath it what they are labelled, each with its "
        f"mean probability."
    )
    return [Section("Most confidently wrong", lead, pictures=pictures)]


def _data_url(pixels: np.ndarray) -> str:
    """A 28x28 image as the data URL of a PNG, drawn dark on light, which is easier to see."""
    buffer = io.BytesIO()
    Image.fromarray(255 - pixels).save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
