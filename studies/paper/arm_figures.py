"""The paper's figures 2 to 5, drawn anew: for each of its networks, loss and accuracy by epoch.

A curve is the mean over the seeds, with its 95 % interval; the values that the paper printed are
drawn beside it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from fmnist_model.evaluation import interval
from studies.figures import BLUE, GREY, ORANGE, SKY, epoch_axis, styled
from studies.paper.arms import DROPOUT, RELU
from studies.paper.published import PUBLISHED

FROZEN = (RELU, DROPOUT)
"""The arms whose mean loss says little, because each seed is frozen at a different loss."""


class Band(NamedTuple):
    """A curve with its interval: `points` has the columns epoch, mean, low, high and seeds."""

    name: str
    colour: str
    dash: str
    points: pd.DataFrame


def band(curves: pd.DataFrame, measure: str, name: str, colour: str, dash: str = "solid") -> Band:
    """The mean and 95 % interval over seeds of a column of `curves` after each epoch."""
    return Band(name, colour, dash, mean_and_interval(curves, "epoch", measure))


def mean_and_interval(table: pd.DataFrame, by: str, measure: str) -> pd.DataFrame:
    """The mean and 95 % interval of the column `measure` for each value of the column `by`.

    The columns of the result are `by`, mean, low, high and seeds. If there is only one seed, or a
    value that is not finite, both ends of the interval equal the mean.
    """
    rows = []
    for value, values in table.groupby(by)[measure]:
        score = interval(values.to_list(), highest=np.inf)
        mean = score["mean"]
        low, high = (mean if score[key] is None else score[key] for key in ("low", "high"))
        rows.append((value, mean, low, high, len(values)))
    return pd.DataFrame(rows, columns=[by, "mean", "low", "high", "seeds"])


class ArmFigure(NamedTuple):
    """One measure of one arm: its curves with intervals.

    `seeds` has the columns epoch, seed and value: the validation curve of each seed, which is shown
    for the loss of a frozen arm only and is empty otherwise.
    """

    measure: str
    bands: list[Band]
    seeds: pd.DataFrame


def arm_data(arm: str, measure: str, honest: pd.DataFrame, leaky: pd.DataFrame) -> ArmFigure:
    """An arm's loss or accuracy: our runs, our runs by the leaky protocol, and the paper's."""
    bands = [
        band(honest, measure, "ours, training", SKY),
        band(honest, f"val_{measure}", "ours, validation", BLUE),
        band(leaky, measure, "ours, leaky", ORANGE, "longdashdot"),
    ]
    if arm in PUBLISHED:
        bands += [
            _published(arm, measure, "paper, test set (trained on)", "dash"),
            _published(arm, f"val_{measure}", "paper, validation", "dot"),
        ]
    seeds = honest.assign(value=honest[f"val_{measure}"])[["epoch", "seed", "value"]]
    seed_curves = seeds if arm in FROZEN and measure == "loss" else seeds.iloc[:0]
    return ArmFigure(measure, [curve for curve in bands if len(curve.points)], seed_curves)


def _published(arm: str, measure: str, name: str, dash: str) -> Band:
    values = pd.Series(getattr(PUBLISHED[arm], measure))
    points = pd.DataFrame({"epoch": range(1, len(values) + 1), "mean": values})
    return Band(name, GREY, dash, points.assign(low=values, high=values, seeds=1))


def draw_arm(data: ArmFigure, frozen: bool) -> go.Figure:
    """Draw the curves; for a frozen arm the axis begins at 0, and that of the accuracy ends at
    1."""
    figure = go.Figure()
    for number, (seed, rows) in enumerate(data.seeds.groupby("seed")):
        figure.add_scatter(
            x=rows["epoch"],
            y=rows["value"],
            mode="lines",
            name="each seed, validation",
            legendgroup="seeds",
            showlegend=number == 0,
            line={"color": BLUE, "width": 1},
            opacity=0.55,
            hovertemplate=f"seed {seed}, epoch %{{x}}: %{{y:.4f}}<extra></extra>",
        )
    for curve in data.bands:
        _add_band(figure, curve, filled=not len(data.seeds))
    figure.update_yaxes(title=data.measure)
    if frozen:
        figure.update_yaxes(rangemode="tozero")
    if frozen and data.measure == "accuracy":
        figure.update_yaxes(range=[0, 1])
    epochs = max((curve.points["epoch"].max() for curve in data.bands), default=1)
    return styled(epoch_axis(figure, epochs), 380)


def _add_band(figure: go.Figure, curve: Band, filled: bool) -> None:
    points = curve.points
    if filled and (points["high"] > points["low"]).any():
        figure.add_scatter(
            x=[*points["epoch"], *points["epoch"][::-1]],
            y=[*points["high"], *points["low"][::-1]],
            fill="toself",
            fillcolor=curve.colour,
            opacity=0.18,
            mode="lines",
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
            legendgroup=curve.name,
        )
    figure.add_scatter(
        x=points["epoch"],
        y=points["mean"],
        customdata=points[["low", "high", "seeds"]],
        mode="lines+markers",
        name=curve.name,
        legendgroup=curve.name,
        line={"color": curve.colour, "width": 2.2, "dash": curve.dash},
        marker={"size": 5},
        hovertemplate=(
            f"{curve.name}, epoch %{{x}}: %{{y:.4f}}<br>"
            "%{customdata[0]:.4f} to %{customdata[1]:.4f}, n = %{customdata[2]}<extra></extra>"
        ),
    )
