"""Draws accuracy against a further objective of a search, with the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from search.presets import UNITS, Measure
from search.study import Standing, Winner, measure_in_words, seeds_in_words
from studies.figures.marks import ACCURACY, interval_bars
from studies.figures.theme import BLUE, GREEN, GREY, styled

WIDE = 10
"""Where the greatest figure is so many times the smallest, the axis is logarithmic."""


class Front(NamedTuple):
    """The configurations of a search with further objectives, by one of these.

    `points` has the columns value (of the objective), mean, low, high, group and text; the groups
    are "front", "chosen" (which is on the front, too) and "dominated". `line` is the stairs along
    which the front runs, with the columns value and mean: at each value the highest mean of those
    that have no more. With one further objective all of the front is on it.
    """

    title: str
    points: pd.DataFrame
    line: pd.DataFrame


def front_data(best: Winner, measure: Measure) -> Front:
    """The configurations of which the measure is known."""
    known = [one for one in best.standings if measure in one.measured]
    front = {one.configuration for one in best.front}
    rows = [
        (
            one.measured[measure],
            one.mean,
            one.low,
            one.high,
            _group(one, best, front),
            f"configuration {one.configuration}: {one.mean:.4f}, {seeds_in_words(one)}, "
            f"{measure_in_words(one, measure)} {UNITS[measure]}",
        )
        for one in known
    ]
    columns = ["value", "mean", "low", "high", "group", "text"]
    points = pd.DataFrame(rows, columns=columns)
    return Front(f"{measure} ({UNITS[measure]})", points, _stairs(known, measure))


def _group(one: Standing, best: Winner, front: set[int]) -> str:
    if one == best.standing:
        return "chosen"
    return "front" if one.configuration in front else "dominated"


def _stairs(known: Sequence[Standing], measure: Measure) -> pd.DataFrame:
    """The front in this objective and accuracy alone, the smallest first."""
    steps: list[tuple[float, float]] = []
    for one in sorted(known, key=lambda one: (one.measured[measure], -one.mean)):
        if not steps or one.mean > steps[-1][1]:
            steps.append((one.measured[measure], one.mean))
    return pd.DataFrame(steps, columns=["value", "mean"])


def draw_front(data: Front) -> go.Figure:
    """A point for each configuration with its interval, and the stairs of the front."""
    figure = go.Figure()
    figure.add_scatter(
        x=data.line["value"],
        y=data.line["mean"],
        mode="lines",
        name="best for its size",
        line={"shape": "hv", "color": BLUE, "width": 1.5},
        hoverinfo="skip",
        showlegend=False,
    )
    for group, name, colour, symbol in (
        ("dominated", "dominated", GREY, "circle-open"),
        ("front", "Pareto front", BLUE, "circle"),
        ("chosen", "chosen", GREEN, "diamond"),
    ):
        points = data.points[data.points["group"] == group]
        if len(points):
            figure.add_trace(_marks(points, name, {"color": colour, "symbol": symbol, "size": 9}))
    values = data.points["value"]
    wide = len(values) > 0 and values.min() > 0 and values.max() >= WIDE * values.min()
    log = {"type": "log", "dtick": "D2"} if wide else {}  # labels at 1, 2, 5, 10, ...
    figure.update_xaxes(title=data.title, tickformat="~s" if wide else None, **log)
    figure.update_yaxes(title=f"expected {ACCURACY}")
    return styled(figure)


def _marks(points: pd.DataFrame, name: str, marker: dict[str, Any]) -> go.Scatter:
    return go.Scatter(
        x=points["value"],
        y=points["mean"],
        mode="markers",
        name=name,
        marker=marker,
        error_y={**interval_bars(points), "color": marker["color"], "thickness": 1.2, "width": 3},
        text=points["text"],
        hovertemplate="%{text}<extra></extra>",
    )
