"""Draws a search in budgets: its history by budget, and the race of the best configurations."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from search.study import Standing, epochs_in_words, probability_in_words, seeds_in_words
from studies.figures.marks import ACCURACY, by_ending, hover, interval_bars
from studies.figures.theme import BLUE, GREEN, GREY, SKY, styled

SYMBOLS = {"new": "circle", "promotion": "triangle-up", "race": "star"}
"""The symbol of a completed run, by its role."""
COLOURS = (SKY, BLUE, GREEN, GREY)
"""The colours of the budgets, from the smallest; they repeat where there are more."""
MOST_RACERS = 10
"""So many configurations the figure of the race shows."""
ROW_PIXELS = 44


class BudgetHistory(NamedTuple):
    """The runs of a search in budgets, in the order of their trials.

    `completed` has a table for each budget, `others` the runs that did not complete, whose values
    are a little lower than all of those; the columns are trial, value, ending, role and text.
    """

    completed: dict[int, pd.DataFrame]
    others: pd.DataFrame


def budget_history_data(table: pd.DataFrame) -> BudgetHistory:
    """The history of a table of trials, without those that were not planned."""
    planned = table[table["budget"].notna()]
    points = planned.assign(text=hover(planned))
    completed = points[points["ending"] == "completed"]
    others = points[points["ending"] != "completed"].assign(value=_below(completed["value"]))
    columns = ["trial", "value", "ending", "role", "text"]
    return BudgetHistory(
        {n: completed.loc[completed["budget"] == n, columns] for n in _budgets(completed)},
        others[columns],
    )


def _below(values: pd.Series) -> float:
    """A value a little lower than all of these, where marks do not hide what is between them."""
    if values.empty:
        return 0.0
    return float(values.min() - 0.08 * (values.max() - values.min()))


def _budgets(table: pd.DataFrame) -> list[int]:
    return sorted({int(budget) for budget in table["budget"]})


def draw_budget_history(data: BudgetHistory) -> go.Figure:
    """A colour for each budget, a symbol for each role, and the marks of runs that ended early."""
    figure = go.Figure()
    for (budget, runs), colour in zip(data.completed.items(), cycle(COLOURS), strict=False):
        figure.add_scatter(
            x=runs["trial"],
            y=runs["value"],
            mode="markers",
            name=epochs_in_words(budget),
            text=runs["text"],
            hovertemplate="%{text}<extra></extra>",
            marker={"color": colour, "symbol": runs["role"].map(SYMBOLS).to_list(), "size": 8},
        )
    figure.add_traces(by_ending(data.others, "trial", "value"))
    figure.update_xaxes(title="trial")
    figure.update_yaxes(title=ACCURACY)
    return styled(figure)


class Race(NamedTuple):
    """The best configurations of a search in budgets, the best first.

    `means` has the columns name, mean, low, high, chosen and text; `seeds` has a row for each seed
    that completed: name, value, counts (whether the mean rests on it) and text.
    """

    means: pd.DataFrame
    seeds: pd.DataFrame


def race_data(standings: Sequence[Standing], chosen: Standing | None) -> Race:
    """The first `MOST_RACERS` configurations, and all of their seeds."""
    means, seeds = [], []
    for one in standings[:MOST_RACERS]:
        name, title = str(one.configuration), f"configuration {one.configuration}"
        text = (
            f"{title}: {one.mean:.4f}, {seeds_in_words(one)}, P(best) {probability_in_words(one)}"
        )
        means.append((name, one.mean, one.low, one.high, one == chosen, text))
        for replicate, value in one.values.items():
            if value is not None:
                counts = replicate > 0 or one.raced == 0
                seeds.append((name, value, counts, f"{title}, seed {replicate}: {value:.4f}"))
    return Race(
        pd.DataFrame(means, columns=["name", "mean", "low", "high", "chosen", "text"]),
        pd.DataFrame(seeds, columns=["name", "value", "counts", "text"]),
    )


def draw_race(data: Race) -> go.Figure:
    """A row for each configuration: the mean with its interval, and its seeds."""
    figure = go.Figure()
    counts, chosen = data.seeds["counts"].astype(bool), data.means["chosen"].astype(bool)
    for name, seeds, marker in (
        ("seed that counts", data.seeds[counts], {"symbol": "circle", "color": BLUE}),
        ("first seed, not counted", data.seeds[~counts], {"symbol": "circle-open"}),
    ):
        look = {"color": GREY, "size": 8, "opacity": 0.75, **marker}
        figure.add_traces(_row_marks(seeds, "value", name, look))
    for name, means, colour in (
        ("chosen", data.means[chosen], GREEN),
        ("mean, 95 % interval", data.means[~chosen], GREY),
    ):
        look = {"color": colour, "size": 18, "symbol": "line-ns-open"}
        bars = {**interval_bars(means), "color": colour, "thickness": 2.5}
        figure.add_traces(_row_marks(means, "mean", name, look, error_x=bars))
    figure.update_xaxes(title=ACCURACY)
    order = data.means["name"].to_list()
    rows = {"type": "category", "categoryorder": "array", "categoryarray": order}
    figure.update_yaxes(title="configuration", autorange="reversed", **rows)
    return styled(figure, 130 + ROW_PIXELS * len(order))


def _row_marks(
    points: pd.DataFrame, x: str, name: str, marker: dict[str, Any], **more: Any
) -> list[go.Scatter]:
    """The marks of points in the rows of their configurations; no trace if there are none."""
    if points.empty:
        return []
    hovering = {"text": points["text"], "hovertemplate": "%{text}<extra></extra>"}
    drawn = {"mode": "markers", "name": name, "marker": marker, **hovering, **more}
    return [go.Scatter(x=points[x], y=points["name"], **drawn)]
