"""How a search went: history, training curves, timeline; for each a function that returns its
data and one that draws it. The data come from `studies.figures.trial_frame`, escaped."""

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

PAUSE = 0.1
"""Where no trial ran for so large a share of the time in which some did, it is a pause."""
LANE_PIXELS = 34
MOST_PIXELS = 900
NAMED_PAUSES = 4
"""The lengths of so many pauses are written beside them; more of them would not fit."""


class History(NamedTuple):
    """Each trial's value by ending, and the best value so far: columns trial and best."""

    points: pd.DataFrame
    best: pd.DataFrame


def history_data(table: pd.DataFrame) -> History:
    """Optimisation history: points trial, value, ending, text; trials without a value lie at 0."""
    points = table.assign(value=table["value"].fillna(0.0), text=hover(table))
    completed = table[table["ending"] == "completed"]
    best = pd.DataFrame({"trial": completed["trial"], "best": completed["value"].cummax()})
    return History(points[["trial", "value", "ending", "text"]], best)


def draw_history(data: History) -> go.Figure:
    """Trials in order, a mark for each ending, and the best so far as a line."""
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
    """A trial after so many epochs; without epoch and value a gap between two trials' lines."""

    epoch: float | None
    value: float | None
    text: str
    ending: str


class Curves(NamedTuple):
    """Validation accuracy an epoch, all trials of an ending as one line with gaps between them.

    `lines` maps an ending to columns epoch, value and text; `best` is the best trial's alone;
    `ends` are the last points of stuck and diverged trials.
    """

    lines: dict[str, pd.DataFrame]
    best: pd.DataFrame
    ends: pd.DataFrame


def curves_data(trials: Sequence[FrozenTrial]) -> Curves:
    """Training curves of all trials that reported an epoch.

    Those of stuck and diverged trials end at the step at which they were stopped, within an epoch.
    """
    ended = [trial for trial in ended_trials(trials) if trial.intermediate_values]
    steps = _steps_an_epoch(ended)
    best = [trial.number for trial in best_trials(ended, 1)]
    lines: dict[str, list[Point]] = {}
    for trial in ended:
        gap = Point(None, None, "", ending(trial))
        lines.setdefault(ending(trial), []).extend([*_curve(trial, steps), gap])
    ends = [_curve(t, steps)[-1] for t in ended if ending(t) in ("stuck", "diverged")]
    winner = [point for trial in ended if trial.number in best for point in _curve(trial, steps)]
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


def _steps_an_epoch(ended: Sequence[FrozenTrial]) -> dict[Any, float]:
    """By batch size: the most steps an epoch of any trial, for some have whole epochs only."""
    steps: dict[Any, float] = {}
    for trial in ended:
        record = TrialRecord.of(trial)
        if record.epochs_run:
            own = (record.steps_run or 0) / record.epochs_run
            steps[_batch(trial)] = max(own, steps.get(_batch(trial), 1))
    return steps


def _batch(trial: FrozenTrial) -> Any:
    return trial.params.get("batch_size")


def draw_curves(data: Curves) -> go.Figure:
    """All training curves, the best on top; stuck ones end, with a mark, where they stopped."""
    figure = go.Figure()
    for name in ("pruned", "completed", "diverged", "stuck", "failed"):
        if name in data.lines:
            line = data.lines[name]
            marked = name in ("stuck", "diverged")
            figure.add_scatter(
                x=line["epoch"],
                y=line["value"],
                text=line["text"],
                mode="lines+markers" if name == "pruned" else "lines",
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


def _epochs(data: Curves) -> float:
    return max((line["epoch"].max() for line in data.lines.values()), default=0.0)


class Timeline(NamedTuple):
    """When each worker ran which trial, with the pauses cut out.

    `bars` has the columns lane (from 1), start and seconds (since the search began, without
    pauses), ending and text; `pauses` has start, where it was cut, and seconds, how long it was.
    """

    bars: pd.DataFrame
    pauses: pd.DataFrame
    spent: float


def timeline_data(table: pd.DataFrame) -> Timeline:
    """The trials that know when they ran; those whose process is not known share a lane."""
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
    cut = [pauses.loc[pauses["end"] <= start, "seconds"].sum() for start in spans["start"]]
    own = known.loc[spans.index]
    at = starts[spans.index].dt.strftime("%Y-%m-%d %H:%M:%S UTC")
    bars = pd.DataFrame(
        {
            "lane": spans["worker"].map(_lanes(spans)),
            "start": spans["start"] - cut,
            "seconds": spans["end"] - spans["start"],
            "ending": own["ending"],
            "text": pd.Series(hover(own), own.index) + "<br>" + spans["worker"] + ", " + at,
        }
    )
    before = pauses["seconds"].cumsum().shift(fill_value=0.0)
    gaps = pd.DataFrame({"start": pauses["start"] - before, "seconds": pauses["seconds"]})
    return Timeline(bars, gaps, float((bars["start"] + bars["seconds"]).max()) if len(bars) else 0)


def _pauses(spans: pd.DataFrame) -> pd.DataFrame:
    """Start, end and seconds of each stretch in which no trial ran, if it was long."""
    busy_until = spans["end"].cummax().shift()
    gaps = pd.DataFrame({"start": busy_until, "end": spans["start"]})
    gaps = gaps.assign(seconds=gaps["end"] - gaps["start"])
    gaps = gaps.loc[gaps["seconds"] > 0]
    busy = (spans["end"].max() - spans["start"].min()) - gaps["seconds"].sum()
    long: pd.DataFrame = gaps.loc[gaps["seconds"] > PAUSE * busy]
    return long


def _lanes(spans: pd.DataFrame) -> dict[str, int]:
    """A lane for each process; one that began after another had ended takes its lane."""
    lives = spans.groupby("worker", sort=False).agg({"start": "min", "end": "max"})
    until: list[float] = []
    lanes = {}
    for worker, start, end in lives.itertuples():
        free = next((n for n, busy in enumerate(until) if busy <= start), len(until))
        until[free : free + 1] = [end]
        lanes[worker] = free + 1
    return lanes


def draw_timeline(data: Timeline) -> go.Figure:
    """A row a worker, a bar a trial, a dotted line where a pause was cut out."""
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
    named = len(data.pauses) <= NAMED_PAUSES
    for start, pause in data.pauses.itertuples(index=False):
        long, unit_seconds = _unit(pause)
        figure.add_vline(
            x=start / seconds,
            line={"color": GREY, "dash": "dot", "width": 1.5},
            annotation={
                "text": f"{pause / unit_seconds:.0f} {long} later" if named else "",
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
        dtick=1 if lanes * LANE_PIXELS < MOST_PIXELS else None,
    )
    figure.update_layout(barmode="overlay", bargap=0.25)
    return styled(figure, 140 + min(MOST_PIXELS, LANE_PIXELS * lanes))


def _unit(seconds: float) -> tuple[str, float]:
    if seconds < 300:
        return "seconds", 1
    return ("minutes", 60) if seconds < 3 * 3600 else ("hours", 3600)
