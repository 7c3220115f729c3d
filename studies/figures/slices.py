"""Draws the effect of hyperparameters: a slice along each, the map of stuck trials, and a surface
over two of them.

For each figure there is a function that returns its data and one that draws it. The tables that
they take come from `studies.figures.trial_frame.trial_table` and are escaped.
"""

from __future__ import annotations

import html
import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from plotly.subplots import make_subplots

from studies.figures.marks import by_ending, hover
from studies.figures.theme import GREY, MARKS, SCALE, styled

BINS = 8
STUCK_OR_DIVERGED = ("stuck", "diverged")
"""The endings whose share of the trials is shown along each axis."""
JITTER = 0.5
"""Trials with the same choice are spread over this share of the space between two choices."""
GOLDEN = (math.sqrt(5) - 1) / 2
GRID = 100
MIN_SURFACE_TRIALS = 5
"""The fewest completed trials from which a surface is drawn."""
MIN_SURFACE_WEIGHT = 0.05
"""The surface ends where the weights of all trials add up to less than this. A trial exactly at a
point has the weight 1 there."""

AXIS_LABEL_CHARACTERS = 26
"""How many characters of labels fit below a narrow figure."""

Floats = npt.NDArray[np.floating[Any]]


class Slice(NamedTuple):
    """The trials along one hyperparameter, and the shares of stuck and diverged ones in bins of it.

    `points` has the columns x, objective, ending and text; `bins` has the columns centre, width,
    trials, stuck and diverged, the last two as shares. `choices` is None for a range; otherwise the
    x of a choice is its index in `choices`, and its points are spread around it.
    """

    log: bool
    choices: list[str] | None
    points: pd.DataFrame
    bins: pd.DataFrame


def slice_data(table: pd.DataFrame, name: str, distribution: BaseDistribution) -> Slice:
    """The slice of the trials that have the hyperparameter `name`."""
    having = table[table[name].notna()]
    log = bool(getattr(distribution, "log", False))
    if (values := _choices(having[name], distribution)) is not None:
        choices = [html.escape(str(value)) for value in values]
        index = having[name].astype(str).map(choices.index)
        x = index + JITTER * ((having["trial"] * GOLDEN) % 1 - 0.5)
        bins = _bins(having, index, np.arange(len(choices)) + 0.0, np.full(len(choices), 0.7))
        return Slice(log, choices, _points(having, x, name), bins)
    edges = _edges(having[name], distribution, log)
    index = pd.Series(np.searchsorted(edges, having[name], side="right") - 1, having.index)
    starts, ends = edges[:-1], edges[1:]
    centre = np.sqrt(starts * ends) if log else (starts + ends) / 2
    bins = _bins(having, index.clip(0, len(centre) - 1), centre, (ends - starts) * 0.94)
    return Slice(log, None, _points(having, having[name], name), bins)


def _choices(having: pd.Series, distribution: BaseDistribution) -> list[Any] | None:
    """The choices of a categorical hyperparameter, or the numbers of a short range of integers.

    None for any other range.
    """
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    if isinstance(distribution, IntDistribution) and distribution.high - distribution.low < BINS:
        return sorted({*range(distribution.low, distribution.high + 1), *having})
    return None


def _points(having: pd.DataFrame, x: pd.Series, name: str) -> pd.DataFrame:
    """The points; their texts name this hyperparameter only, to keep the page small."""
    columns = {"x": x, "objective": having["value"], "ending": having["ending"]}
    return pd.DataFrame(columns | {"text": hover(having, [name])})


def _edges(values: pd.Series, distribution: Any, log: bool) -> Floats:
    """The edges of equal bins over the whole range, and over values of arms outside of it."""
    low = min(float(distribution.low), float(values.min()))
    high = max(float(distribution.high), float(values.max()))
    if low == high:
        return np.array([low - 0.5, high + 0.5])
    make = np.geomspace if log else np.linspace
    return np.asarray(make(low, high, BINS + 1))


def _bins(having: pd.DataFrame, index: pd.Series, centre: Floats, width: Floats) -> pd.DataFrame:
    """The bins that contain trials; `index` is the bin of each trial."""
    shares = {name: (having["ending"] == name).groupby(index).mean() for name in STUCK_OR_DIVERGED}
    bins = pd.DataFrame(shares | {"trials": index.groupby(index).size()})
    return bins.assign(centre=centre[bins.index], width=width[bins.index])


def draw_slice(data: Slice) -> go.Figure:
    """The objective along the axis; below it, if there are any, the shares of stuck and
    diverged."""
    shown = [name for name in STUCK_OR_DIVERGED if data.bins[name].any()]
    if not shown:
        figure = go.Figure(by_ending(data.points, "x", "objective"))
        figure.update_yaxes(title="accuracy")
    else:
        figure = make_subplots(
            rows=2, shared_xaxes=True, row_heights=[0.72, 0.28], vertical_spacing=0.06
        )
        figure.add_traces(by_ending(data.points, "x", "objective"))
        for name in shown:
            _add_shares(figure, data.bins, name)
        figure.update_yaxes(title="accuracy", row=1, col=1)
        title = shown[0] if len(shown) == 1 else "share"
        figure.update_yaxes(title=title, range=[0, 1.05], tickformat=".0%", nticks=3, row=2, col=1)
        figure.update_layout(barmode="stack")
    if data.choices is not None:
        indices = list(range(len(data.choices)))
        ends = [-0.5, len(indices) - 0.5]
        crowded = sum(len(choice) + 2 for choice in data.choices) > AXIS_LABEL_CHARACTERS
        figure.update_xaxes(
            tickvals=indices, ticktext=data.choices, range=ends, tickangle=-90 if crowded else 0
        )
    elif data.log:
        ticks = log_ticks(*data.points["x"].agg(["min", "max"]))
        figure.update_xaxes(type="log", tickvals=ticks, ticktext=[f"{t:g}" for t in ticks])
    return styled(figure, 340 if shown else 280, legend=False)


def _add_shares(figure: go.Figure, bins: pd.DataFrame, name: str) -> None:
    figure.add_bar(
        x=bins["centre"],
        y=bins[name],
        width=bins["width"],
        customdata=bins["trials"],
        marker={"color": MARKS[name].colour, "pattern": {"shape": MARKS[name].pattern, "size": 5}},
        hovertemplate=f"%{{y:.0%}} of %{{customdata}} trials {name}<extra></extra>",
        row=2,
        col=1,
    )


def log_ticks(low: float, high: float) -> list[float]:
    """Ticks of a logarithmic axis: powers of ten and, if these are few, twice and five times
    them."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1,) if len(powers) > 3 else (1, 2, 5)
    return [f * 10.0**power for power in powers for f in factors if low <= f * 10.0**power <= high]


class Panel(NamedTuple):
    """The trials of one combination of activations; the columns of the table of trials, and
    text."""

    title: str
    points: pd.DataFrame


def stuck_map_data(table: pd.DataFrame) -> list[Panel]:
    """The map of stuck trials over learning rate and dropout, a panel for each combination of
    activations.

    Empty unless both learning rate and dropout are searched.
    """
    if not {"learning_rate", "dropout"} <= set(table.columns):
        return []
    facets = [name for name in ("activation", "output_activation") if name in table.columns]
    points = table.assign(text=hover(table))
    if not facets:
        return [Panel("all trials", points)]
    labels = {"activation": "hidden", "output_activation": "output"}
    return [
        Panel(", ".join(f"{labels[f]} {v}" for f, v in zip(facets, values, strict=True)), part)
        for values, part in points.groupby(facets)
    ]


def draw_panel(panel: Panel, table: pd.DataFrame, log: bool) -> go.Figure:
    """One panel, with the axes that all panels of `table` share.

    `log` says whether the axis of the learning rate is logarithmic.
    """
    figure = go.Figure(by_ending(panel.points, "learning_rate", "dropout"))
    _rate_axis(figure, table["learning_rate"], log)
    low, high = _padded(table["dropout"])
    figure.update_yaxes(title="dropout", range=[low, high])
    return styled(figure, 280, legend=False)


def _rate_axis(figure: go.Figure, rates: Any, log: bool) -> None:
    figure.update_xaxes(title="learning_rate", range=_padded(np.log10(rates) if log else rates))
    if log:
        ticks = log_ticks(min(rates), max(rates))
        figure.update_xaxes(type="log", tickvals=ticks, ticktext=[f"{t:g}" for t in ticks])


def _padded(values: Any) -> list[float]:
    low, high = float(np.min(values)), float(np.max(values))
    pad = 0.06 * (high - low) or 0.1
    return [low - pad, high + pad]


class Surface(NamedTuple):
    """The accuracy over learning rate (x) and dropout (y): `z` has the shape (len(y), len(x)).

    Each value of `z` is the mean of the completed trials, weighted by how near they are, and NaN
    where there are none nearby. `points` are these trials, with the columns learning_rate, dropout,
    value, ending and text.
    """

    x: Floats
    y: Floats
    z: Floats
    log: bool
    points: pd.DataFrame


def surface_data(table: pd.DataFrame, log: bool) -> Surface | None:
    """The surface; None if there are too few completed trials for one.

    With `log`, distances are those of the logarithm of the learning rate. Optuna's contour plot is
    not used, because it interpolates every trial, although trials at nearly the same point differ
    in their other hyperparameters, and because its grid has a row and a column for each trial.
    """
    if not {"learning_rate", "dropout"} <= set(table.columns):
        return None
    needed = ["learning_rate", "dropout", "value"]
    points = table[table["ending"] == "completed"].dropna(subset=needed)
    if len(points) < MIN_SURFACE_TRIALS or points[["learning_rate", "dropout"]].nunique().min() < 2:
        return None
    rates = points["learning_rate"].to_numpy(float)
    x, near_x = _kernel(np.log(rates) if log else rates)
    y, near_y = _kernel(points["dropout"].to_numpy(float))
    weight = near_y @ near_x.T
    with np.errstate(invalid="ignore"):  # 0 / 0 far from all trials, which is masked below
        z = (near_y * points["value"].to_numpy()) @ near_x.T / weight
    z[weight < MIN_SURFACE_WEIGHT] = np.nan
    return Surface(np.exp(x) if log else x, y, z, log, points.assign(text=hover(points)))


def _kernel(values: Floats) -> tuple[Floats, Floats]:
    """A grid over the values, and the weight of each value at each point of it.

    The weights have the shape (GRID, len(values)) and are 1 where a point equals the value.
    """
    width = values.std() * len(values) ** (-1 / 6)  # Scott's rule in two dimensions
    grid = np.linspace(values.min(), values.max(), GRID)
    return grid, np.exp(-0.5 * ((grid[:, None] - values) / width) ** 2)


def draw_surface(data: Surface) -> go.Figure:
    """The surface as filled contours, with the trials on it in the same scale of colours."""
    low, high = float(np.nanmin(data.z)), float(np.nanmax(data.z))
    bar = {"orientation": "h", "y": -0.2, "yanchor": "top", "thickness": 12, "outlinewidth": 0}
    figure = go.Figure(
        go.Contour(
            x=data.x,
            y=data.y,
            z=data.z,
            zmin=low,
            zmax=high,
            colorscale=SCALE,
            colorbar=bar,
            line={"width": 0.5, "color": GREY},
            hovertemplate="learning_rate %{x:.3g}, dropout %{y:.3g}: about %{z:.3f}<extra></extra>",
        )
    )
    figure.add_scatter(
        x=data.points["learning_rate"],
        y=data.points["dropout"],
        mode="markers",
        marker={
            "color": data.points["value"],
            "cmin": low,
            "cmax": high,
            "colorscale": SCALE,
            "size": 9,
            "line": {"width": 1.2, "color": GREY},
        },
        text=data.points["text"],
        hovertemplate="%{text}<extra></extra>",
    )
    _rate_axis(figure, data.x, data.log)
    figure.update_yaxes(title="dropout", range=_padded(data.y), nticks=8)
    return styled(figure, 460, legend=False)
