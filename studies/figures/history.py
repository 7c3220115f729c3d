"""Draws how a search went: its optimisation history, training curves and timeline.

For each figure there is a function that returns its data and one that draws it. The tables that
they take come from `studies.figures.trial_frame` and are escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go
from optuna.trial import FrozenTrial

from search.study import TrialRecord, best_trials, ending
from studies.figures.marks import ACCURACY, by_ending, hover
from studies.figures.theme import GREEN, GREY, MARKS, epoch_axis, styled
from studies.figures.trial_frame import ended_trials

MIN_PAUSE_SHARE = 0.1
"""A time without a running trial is a pause if it is longer than this share of the time in which at
least one trial ran."""
LANE_PIXELS = 34
MAX_TIMELINE_PIXELS = 900
MAX_LABELLED_PAUSES = 4
"""If there are at most this many pauses, each is labelled with its length; more do not fit."""


class History(NamedTuple):
    """Each trial's value and ending, and the best value so far.

    `points` has the columns trial, value, ending and text; `best` has the columns trial and best.
    """

    points: pd.DataFrame
    best: pd.DataFrame


def history_data(table: pd.DataFrame) -> History:
    """The optimisation history of a table of trials; trials without a value are drawn at 0."""
    points = table.assign(value=table["value"].fillna(0.0), text=hover(table))
    completed = table[table["ending"] == "completed"]
    best = pd.DataFrame({"trial": completed["trial"], "best": completed["value"].cummax()})
    return History(points[["trial", "value", "ending", "text"]], best)


def draw_history(data: History) -> go.Figure:
    """The trials in their order, with a mark for each ending, and the best value so far as a
    line."""
    figure = go.Figure(by_ending(data.points, "trial", "value"))
    figure.add_scatter(
        x=data.best["trial"],
        y=data.best["best"],
        mode="lines",
        name="best so far",
        line={"color": GREEN, "width": 2, "shape": "hv"},
        hoverinfo="skip",
    )
    figure.update_xaxes(title="trial")
    figure.update_yaxes(title=ACCURACY)
    return styled(figure)


class Point(NamedTuple):
    """The value of a trial after an epoch; a gap between two trials' lines has neither of them."""

    epoch: float | None
    value: float | None
    text: str
    ending: str


class Curves(NamedTuple):
    """The validation accuracy after each epoch.

    `lines` has, for each ending, one line for all of its trials, with gaps between them. `best` is
    the line of the best trial, `ends` the last points of stuck and diverged trials. The columns are
    those of `Point`.
    """

    lines: dict[str, pd.DataFrame]
    best: pd.DataFrame
    ends: pd.DataFrame


def curves_data(trials: Sequence[FrozenTrial], best: int | None = None) -> Curves:
    """The training curves of all trials that completed at least one epoch.

    `best` is the number of the trial that is the best; None takes that of the highest value. The
    curve of a stuck or diverged trial ends at the step at which it was stopped, which may be
    within an epoch.
    """
    ended = [trial for trial in ended_trials(trials) if trial.intermediate_values]
    steps = _steps_per_epoch(ended)
    if best is None:
        best = next((trial.number for trial in best_trials(ended, 1)), None)
    lines: dict[str, list[Point]] = {}
    for trial in ended:
        gap = Point(None, None, "", ending(trial))
        lines.setdefault(ending(trial), []).extend([*_curve(trial, steps), gap])
    ends = [_curve(t, steps)[-1] for t in ended if ending(t) in ("stuck", "diverged")]
    winner = [point for trial in ended if trial.number == best for point in _curve(trial, steps)]
    return Curves(
        {name: pd.DataFrame(points) for name, points in lines.items()},
        pd.DataFrame(winner, columns=Point._fields),
        pd.DataFrame(ends, columns=Point._fields),
    )


def _curve(trial: FrozenTrial, steps: Mapping[Any, float]) -> list[Point]:
    text = f"trial {trial.number}: {ending(trial)}"
    values = trial.intermediate_values
    points = [Point(epoch, values[epoch], text, ending(trial)) for epoch in sorted(values)]
    ran = TrialRecord.of(trial).steps_run
    if ending(trial) in ("stuck", "diverged") and ran is not None:
        text += f" at step {ran:,}"
        epoch = min(max(values), ran / steps.get(_batch(trial), 1))
        points[-1] = points[-1]._replace(epoch=epoch, text=text)
    return points


def _steps_per_epoch(ended: Sequence[FrozenTrial]) -> dict[Any, float]:
    """The steps per epoch for each batch size.

    It is the greatest average of any trial, because trials that stopped within an epoch have less.
    """
    steps: dict[Any, float] = {}
    for trial in ended:
        record = TrialRecord.of(trial)
        if record.epochs_run:
            average = (record.steps_run or 0) / record.epochs_run
            steps[_batch(trial)] = max(average, steps.get(_batch(trial), 1))
    return steps


def _batch(trial: FrozenTrial) -> Any:
    return trial.params.get("batch_size")


def draw_curves(data: Curves) -> go.Figure:
    """All training curves, the best on top; stuck and diverged ones end with a mark."""
    figure = go.Figure()
    for name in ("pruned", "completed", "diverged", "stuck", "failed"):
        if name in data.lines:
            line = data.lines[name]
            marked = name in ("stuck", "diverged")
            figure.add_scatter(
                x=line["epoch"],
                y=line["value"],
                text=line["text"],
                mode="lines+markers" if _has_lone_points(line) and not marked else "lines",
                name=name,
                legendgroup=name,
                showlegend=not marked,
                line={"color": MARKS[name].colour, "width": 1.2},
                marker={"size": 4},
                opacity=0.7,
                hovertemplate="%{text}<br>epoch %{x}: %{y:.4f}<extra></extra>",
            )
    figure.add_traces(by_ending(data.ends, "epoch", "value"))
    figure.add_scatter(
        x=data.best["epoch"],
        y=data.best["value"],
        text=data.best["text"],
        name="best trial",
        mode="lines+markers",
        line={"color": GREEN, "width": 3.5},
        hovertemplate="%{text}<br>epoch %{x}: %{y:.4f}<extra></extra>",
    )
    figure.update_yaxes(title=ACCURACY)
    return styled(epoch_axis(figure, _epochs(data)).update_xaxes(rangemode="tozero"))


def _has_lone_points(line: pd.DataFrame) -> bool:
    """Has any of the curves a single point, which a line alone does not show?"""
    gap = line["epoch"].isna()
    return bool((~gap & gap.shift(fill_value=True) & gap.shift(-1, fill_value=True)).any())


def _epochs(data: Curves) -> float:
    return max((line["epoch"].max() for line in data.lines.values()), default=0.0)


class Timeline(NamedTuple):
    """Which trial each worker ran when, with the pauses removed.

    `bars` has the columns lane (from 1), start and seconds, ending and text; `pauses` has the
    columns start and seconds, the length of the pause. Starts are in seconds since the search
    began, pauses not counted; `spent` is the end of the last trial in the same unit.
    """

    bars: pd.DataFrame
    pauses: pd.DataFrame
    spent: float


def timeline_data(table: pd.DataFrame) -> Timeline:
    """The timeline of the trials whose times are recorded.

    Trials whose process is not recorded share one lane.
    """
    known = table[table["started"].notna() & table["ended"].notna()]
    starts, ends = (pd.to_datetime(known[name]) for name in ("started", "ended"))
    began = starts.min()
    spans = pd.DataFrame(
        {
            "start": (starts - began).dt.total_seconds(),
            "end": (ends - began).dt.total_seconds(),
            "worker": known["worker"].fillna("an unknown process"),
        }
    ).sort_values("start")
    pauses = _pauses(spans)
    paused = [pauses.loc[pauses["end"] <= start, "seconds"].sum() for start in spans["start"]]
    rows = known.loc[spans.index]
    at = starts[spans.index].dt.strftime("%Y-%m-%d %H:%M:%S UTC")
    bars = pd.DataFrame(
        {
            "lane": spans["worker"].map(_lanes(spans)),
            "start": spans["start"] - paused,
            "seconds": spans["end"] - spans["start"],
            "ending": rows["ending"],
            "text": pd.Series(hover(rows), rows.index) + "<br>" + spans["worker"] + ", " + at,
        }
    )
    before = pauses["seconds"].cumsum().shift(fill_value=0.0)
    gaps = pd.DataFrame({"start": pauses["start"] - before, "seconds": pauses["seconds"]})
    return Timeline(bars, gaps, float((bars["start"] + bars["seconds"]).max()) if len(bars) else 0)


def _pauses(spans: pd.DataFrame) -> pd.DataFrame:
    """The pauses, with the columns start, end and seconds; see MIN_PAUSE_SHARE."""
    busy_until = spans["end"].cummax().shift()
    gaps = pd.DataFrame({"start": busy_until, "end": spans["start"]})
    gaps = gaps.assign(seconds=gaps["end"] - gaps["start"])
    gaps = gaps.loc[gaps["seconds"] > 0]
    busy = (spans["end"].max() - spans["start"].min()) - gaps["seconds"].sum()
    long: pd.DataFrame = gaps.loc[gaps["seconds"] > MIN_PAUSE_SHARE * busy]
    return long


def _lanes(spans: pd.DataFrame) -> dict[str, int]:
    """The lane of each process: the first one in which no earlier process still runs."""
    lifetimes = spans.groupby("worker", sort=False).agg({"start": "min", "end": "max"})
    until: list[float] = []
    lanes = {}
    for worker, start, end in lifetimes.itertuples():
        free = next((n for n, busy in enumerate(until) if busy <= start), len(until))
        until[free : free + 1] = [end]
        lanes[worker] = free + 1
    return lanes


def draw_timeline(data: Timeline) -> go.Figure:
    """A row for each worker, a bar for each trial, a dotted line for each pause."""
    unit, seconds = _unit(data.spent)
    figure = go.Figure()
    for name, mark in MARKS.items():
        chosen = data.bars[data.bars["ending"] == name]
        if len(chosen):
            figure.add_bar(
                orientation="h",
                base=chosen["start"] / seconds,
                x=chosen["seconds"] / seconds,
                y=chosen["lane"],
                name=name,
                marker={
                    "color": mark.colour,
                    "line": {"width": 0},
                    "pattern": {"shape": mark.pattern, "size": 5},
                },
                customdata=chosen["text"],
                hovertemplate="%{customdata}<extra></extra>",
            )
    labelled = len(data.pauses) <= MAX_LABELLED_PAUSES
    for start, pause in data.pauses.itertuples(index=False):
        long, unit_seconds = _unit(pause)
        figure.add_vline(
            x=start / seconds,
            line={"color": GREY, "dash": "dot", "width": 1.5},
            annotation={
                "text": f"{pause / unit_seconds:.0f} {long} later" if labelled else "",
                "font": {"size": 11, "color": GREY},
                "textangle": -90,
                "xshift": 3,
            },
            annotation_position="bottom right",
        )
    lanes = int(data.bars["lane"].max())
    cut = ", pauses left out" if len(data.pauses) else ""
    figure.update_xaxes(title=f"{unit} since the search began{cut}")
    figure.update_yaxes(
        title="worker",
        autorange="reversed",
        dtick=1 if lanes * LANE_PIXELS < MAX_TIMELINE_PIXELS else None,
    )
    figure.update_layout(barmode="overlay", bargap=0.25)
    return styled(figure, 140 + min(MAX_TIMELINE_PIXELS, LANE_PIXELS * lanes))


def _unit(seconds: float) -> tuple[str, float]:
    if seconds < 300:
        return "seconds", 1
    return ("minutes", 60) if seconds < 3 * 3600 else ("hours", 3600)
