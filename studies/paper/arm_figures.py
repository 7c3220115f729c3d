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
"""The arms whose mean says little, for each seed is frozen at a loss of its own."""


class Band(NamedTuple):
    """A curve with its interval: columns epoch, mean, low, high and seeds."""

    name: str
    colour: str
    dash: str
    points: pd.DataFrame


def band(curves: pd.DataFrame, measure: str, name: str, colour: str, dash: str = "solid") -> Band:
    """Mean and 95 % interval an epoch, over the seeds in `curves` (columns epoch, seed, ...)."""
    return Band(name, colour, dash, summary(curves, "epoch", measure))


def summary(table: pd.DataFrame, by: str, measure: str) -> pd.DataFrame:
    """Mean and 95 % interval of a measure for each value of a column: by, mean, low, high, seeds.

    Where there is one seed, or one that is not finite, both ends are the mean.
    """
    rows = []
    for value, values in table.groupby(by)[measure]:
        found = interval(values.to_list(), highest=np.inf)
        mean = found["mean"]
        low, high = (mean if found[key] is None else found[key] for key in ("low", "high"))
        rows.append((value, mean, low, high, len(values)))
    return pd.DataFrame(rows, columns=[by, "mean", "low", "high", "seeds"])


class ArmFigure(NamedTuple):
    """One measure of one arm: curves with bands, and each seed's validation curve if it is frozen.

    `seeds` has the columns epoch, seed and value.
    """

    measure: str
    bands: list[Band]
    seeds: pd.DataFrame


def arm_data(arm: str, measure: str, honest: pd.DataFrame, leaky: pd.DataFrame) -> ArmFigure:
    """An arm's loss or accuracy: ours, ours by the leaky protocol, theirs."""
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
    alone = seeds if arm in FROZEN and measure == "loss" else seeds.iloc[:0]
    return ArmFigure(measure, [one for one in bands if len(one.points)], alone)


def _published(arm: str, measure: str, name: str, dash: str) -> Band:
    values = pd.Series(getattr(PUBLISHED[arm], measure))
    points = pd.DataFrame({"epoch": range(1, len(values) + 1), "mean": values})
    return Band(name, GREY, dash, points.assign(low=values, high=values, seeds=1))


def draw_arm(data: ArmFigure, frozen: bool) -> go.Figure:
    """The curves; of a frozen arm from zero, and the accuracy up to one."""
    figure = go.Figure()
    for number, (seed, own) in enumerate(data.seeds.groupby("seed")):
        figure.add_scatter(
            x=own["epoch"],
            y=own["value"],
            mode="lines",
            name="each seed, validation",
            legendgroup="seeds",
            showlegend=number == 0,
            line={"color": BLUE, "width": 1},
            opacity=0.55,
            hovertemplate=f"seed {seed}, epoch %{{x}}: %{{y:.4f}}<extra></extra>",
        )
    for one in data.bands:
        _add_band(figure, one, filled=not len(data.seeds))
    figure.update_yaxes(title=data.measure)
    if frozen:
        figure.update_yaxes(rangemode="tozero")
    if frozen and data.measure == "accuracy":
        figure.update_yaxes(range=[0, 1])
    epochs = max((one.points["epoch"].max() for one in data.bands), default=1)
    return styled(epoch_axis(figure, epochs), 380)


def _add_band(figure: go.Figure, one: Band, filled: bool) -> None:
    points = one.points
    if filled and (points["high"] > points["low"]).any():
        figure.add_scatter(
            x=[*points["epoch"], *points["epoch"][::-1]],
            y=[*points["high"], *points["low"][::-1]],
            fill="toself",
            fillcolor=one.colour,
            opacity=0.18,
            mode="lines",
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
            legendgroup=one.name,
        )
    figure.add_scatter(
        x=points["epoch"],
        y=points["mean"],
        customdata=points[["low", "high", "seeds"]],
        mode="lines+markers",
        name=one.name,
        legendgroup=one.name,
        line={"color": one.colour, "width": 2.2, "dash": one.dash},
        marker={"size": 5},
        hovertemplate=(
            f"{one.name}, epoch %{{x}}: %{{y:.4f}}<br>"
            "%{customdata[0]:.4f} to %{customdata[1]:.4f}, n = %{customdata[2]}<extra></extra>"
        ),
    )
