"""The part of the report that shows a final evaluation."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from PIL import Image
from plotly.subplots import make_subplots

from fmnist_model.data import CLASS_NAMES
from fmnist_model.evaluation import openings
from fmnist_model.summary import with_interval
from studies.answer import Answer
from studies.page import Figure, Picture, Section, Tile
from studies.theme import BLUE, GREEN, GREY, ORANGE, PALETTE, SCALE, styled


def judgement_section(directory: Path, found: Answer) -> list[Section]:
    """The final evaluation, as `make evaluate` left it in `directory`; nothing where it did not."""
    path = directory / "evaluation.json"
    if not path.exists():
        return []
    evaluation = json.loads(path.read_text(encoding="utf-8"))
    return [
        Section(
            "Final evaluation",
            lead=f"{evaluation['protocol'].capitalize()}.",
            tiles=_tiles(evaluation, openings(directory)),
            points=_points(evaluation, found),
            figures=_figures(evaluation),
        ),
        *_worst_section(directory / "predictions.npz"),
    ]


def _tiles(evaluation: Mapping[str, Any], opened: int) -> list[Tile]:
    seeds = len(evaluation["runs"])
    tiles = [
        _score_tile("test accuracy", evaluation["accuracy"], seeds),
        _score_tile("test loss", evaluation["loss"], seeds),
    ]
    if calibration := evaluation.get("calibration"):
        error = calibration["expected_calibration_error"]
        tiles.append(_score_tile("expected calibration error", error, seeds))
    times = "once" if opened == 1 else f"{opened} times"
    note = "" if opened == 1 else "a figure that was looked at often is too good to be true"
    return [*tiles, Tile(times, "test set opened by this study", note)]


def _score_tile(label: str, score: Mapping[str, Any], seeds: int) -> Tile:
    if score["mean"] is None:
        return Tile("not finite", label, f"{seeds} seeds")
    text = (
        f"95 % interval {score['low']:.4f} to {score['high']:.4f}"
        if score["low"] is not None
        else ""
    )
    return Tile(f"{score['mean']:.4f}", label, f"mean of {seeds} seeds; {text}".rstrip("; "))


def _points(evaluation: Mapping[str, Any], found: Answer) -> list[str]:
    points = []
    provenance = evaluation["configuration"]["provenance"]
    if (validated := provenance.get("validation_accuracy")) is not None:
        points.append(
            f"Trial {provenance['trial']} had {validated:.4f} on the validation images; on the "
            f"test set {with_interval(evaluation['accuracy'])}."
        )
    if found.optimism is not None and found.best and provenance.get("trial") != found.best.number:
        points.append(f"The best trial is now {found.best.number}: this evaluation is of another.")
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
            draw_confusion(evaluation["confusion_matrix"]),
            "Of the images of a class (rows), the share that is called each class (columns).",
            "half",
        ),
        Figure(
            "F1 of each class",
            draw_classes(evaluation["per_class"]),
            "Mean and 95 % interval over the seeds.",
            "half",
        ),
        Figure(
            "Curves of the seeds",
            draw_seeds(evaluation["runs"]),
            "Loss and accuracy an epoch on the images that are trained on, while they are.",
        ),
    ]
    if calibration := evaluation.get("calibration"):
        drawn.append(
            Figure(
                "Reliability",
                draw_reliability(calibration["bins"]),
                "How often predictions of a given confidence are right; on the diagonal they are "
                "as good as they claim. Bars show how many predictions there are.",
            )
        )
    return drawn


def draw_confusion(matrix: Sequence[Sequence[int]]) -> go.Figure:
    """Shares of each row, written where they are 1 % or more."""
    counts = np.asarray(matrix, dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            x=CLASS_NAMES,
            y=CLASS_NAMES,
            customdata=counts,
            text=[[f"{100 * s:.0f}" if s >= 0.01 else "" for s in row] for row in shares],
            texttemplate="%{text}",
            colorscale=SCALE,
            zmin=0,
            zmax=1,
            showscale=False,
            hovertemplate="%{y} called %{x}: %{z:.2%} (%{customdata:,})<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", title="true")
    figure.update_xaxes(title="predicted, per cent", tickangle=-45)
    return styled(figure, 460, legend=False)


def draw_classes(per_class: Mapping[str, Mapping[str, Any]]) -> go.Figure:
    """F1 of each class, the worst at the bottom."""
    f1 = {name: scores["f1"] for name, scores in per_class.items()}
    names = sorted(f1, key=lambda name: f1[name]["mean"])
    means = [f1[name]["mean"] for name in names]
    error = None
    if f1[names[0]]["low"] is not None:
        error = {
            "symmetric": False,
            "array": [f1[n]["high"] - f1[n]["mean"] for n in names],
            "arrayminus": [f1[n]["mean"] - f1[n]["low"] for n in names],
            "color": GREY,
        }
    figure = go.Figure(
        go.Scatter(
            x=means,
            y=names,
            error_x=error,
            mode="markers",
            marker={"color": BLUE, "size": 10},
            hovertemplate="%{y}: %{x:.4f}<extra></extra>",
        )
    )
    figure.update_xaxes(title="F1", range=[min(0.5, *means) - 0.02, 1.01])
    return styled(figure, 460, legend=False)


def draw_seeds(runs: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Loss and accuracy an epoch, a colour a seed."""
    figure = make_subplots(cols=2, subplot_titles=["loss", "accuracy"], horizontal_spacing=0.12)
    for number, run in enumerate(runs):
        for column, name in enumerate(("loss", "accuracy"), 1):
            values = run["history"][name]
            figure.add_scatter(
                x=list(range(1, len(values) + 1)),
                y=values,
                mode="lines+markers",
                marker={"size": 4},
                line={"color": PALETTE[number % len(PALETTE)], "width": 1.8},
                name=f"seed {run['seed']}",
                legendgroup=str(run["seed"]),
                showlegend=column == 1,
                hovertemplate=f"seed {run['seed']}, epoch %{{x}}: %{{y:.4f}}<extra></extra>",
                row=1,
                col=column,
            )
    figure.update_xaxes(title="epoch", tick0=2, dtick=2)
    return styled(figure, 340).update_layout(margin={"t": 60}, legend={"y": 1.1})


def draw_reliability(bins: Sequence[Mapping[str, float]]) -> go.Figure:
    """Accuracy against confidence, above how many predictions there are."""
    figure = make_subplots(
        rows=2, shared_xaxes=True, row_heights=[0.78, 0.22], vertical_spacing=0.05
    )
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        line={"color": GREY, "dash": "dot"},
        hoverinfo="skip",
        row=1,
        col=1,
    )
    confidence = [b["confidence"] for b in bins]
    images = [b["images"] for b in bins]
    figure.add_scatter(
        x=confidence,
        y=[b["accuracy"] for b in bins],
        customdata=images,
        mode="lines+markers",
        line={"color": GREEN, "width": 2.5},
        marker={"size": 8},
        hovertemplate="%{x:.3f} sure, %{y:.3f} right (%{customdata:,} predictions)<extra></extra>",
        row=1,
        col=1,
    )
    figure.add_bar(
        x=confidence,
        y=images,
        marker={"color": ORANGE},
        hovertemplate="%{y:,} predictions<extra></extra>",
        row=2,
        col=1,
    )
    figure.update_xaxes(range=[0, 1.02])
    figure.update_xaxes(title="confidence", row=2, col=1)
    figure.update_yaxes(title="accuracy", range=[0, 1.02], row=1, col=1)
    figure.update_yaxes(title="images", nticks=3, row=2, col=1)
    return styled(figure, 420, legend=False)


def _worst_section(path: Path) -> list[Section]:
    if not path.exists():
        return []
    with np.load(path) as arrays:
        labels, worst = arrays["labels"], arrays["worst"]
        mean = np.nanmean(arrays["probabilities"][:, worst].astype(np.float32), axis=0)
        pictures = [
            Picture(
                _data_url(pixels),
                f"{CLASS_NAMES[chances.argmax()]} {chances.max():.0%}",
                f"is {CLASS_NAMES[label]} ({chances[label]:.1%})",
            )
            for pixels, label, chances in zip(
                arrays["worst_pixels"], labels[worst], mean, strict=True
            )
        ]
    lead = (
        "The test images that the seeds together are most sure and most wrong about: in bold what "
        "they are called, beneath it what they are labelled, each with its mean probability."
    )
    return [Section("Most confidently wrong", lead, pictures=pictures)]


def _data_url(pixels: np.ndarray) -> str:
    """A 28x28 image as a PNG that a page can hold, dark on light as the eye expects."""
    buffer = io.BytesIO()
    Image.fromarray(255 - pixels).save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
