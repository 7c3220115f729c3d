"""Draws the figures of a final evaluation from the contents of evaluation.json, which
`fmnist_model.evaluation.metrics` computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from fmnist_model.dataset import CLASS_NAMES
from studies.figures import BLUE, GREEN, GREY, ORANGE, PALETTE, SCALE, epoch_axis, styled

HEIGHT = 440


def draw_confusion(matrix: Sequence[Sequence[int]]) -> go.Figure:
    """The confusion matrix as shares of each row, with numbers where they are at least 1 %."""
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
            hovertemplate=(
                "%{y} called %{x}: %{z:.2%} (%{customdata:,} over all seeds)<extra></extra>"
            ),
        )
    )
    figure.update_yaxes(autorange="reversed", title="true")
    figure.update_xaxes(title="predicted, per cent", tickangle=-45)
    return styled(figure, HEIGHT, legend=False)


def draw_classes(per_class: Mapping[str, Mapping[str, Any]]) -> go.Figure:
    """The F1 score of each class, with the worst class at the bottom."""
    f1 = {name: scores["f1"] for name, scores in per_class.items()}
    names = sorted(f1, key=lambda name: f1[name]["mean"])
    means = [f1[name]["mean"] for name in names]
    lows = [f1[name]["mean"] if f1[name]["low"] is None else f1[name]["low"] for name in names]
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
    figure.update_xaxes(title="F1", range=[min(0.5, *lows) - 0.02, 1.01])
    return styled(figure, HEIGHT, legend=False)


def draw_seeds(runs: Sequence[Mapping[str, Any]]) -> go.Figure:
    """The loss and, below it, the accuracy after each epoch, with a colour for each seed."""
    figure = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.06)
    for number, run in enumerate(runs):
        for row, name in enumerate(("loss", "accuracy"), 1):
            values = run["history"][name]
            figure.add_scatter(
                x=list(range(1, len(values) + 1)),
                y=values,
                mode="lines+markers",
                marker={"size": 4},
                line={"color": PALETTE[number % len(PALETTE)], "width": 1.8},
                name=f"seed {run['seed']}",
                legendgroup=str(run["seed"]),
                showlegend=row == 1,
                hovertemplate=f"seed {run['seed']}, epoch %{{x}}: %{{y:.4f}}<extra></extra>",
                row=row,
                col=1,
            )
            figure.update_yaxes(title=name, row=row, col=1)
    epoch_axis(figure, max(len(run["history"]["loss"]) for run in runs))
    figure.update_xaxes(title=None, row=1, col=1)
    return styled(figure, HEIGHT)


def draw_reliability(bins: Sequence[Mapping[str, float]]) -> go.Figure:
    """The accuracy against the confidence; below it, the number of predictions in each bin."""
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
    figure.update_yaxes(title="number", nticks=3, tickformat=",", row=2, col=1)
    return styled(figure, HEIGHT, legend=False)
