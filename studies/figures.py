"""The figures of a search: for each, a function that returns its data and one that draws it.

The data come from `studies.table.trial_table`, escaped; where Optuna draws a figure well, its own
visualization does, on `sketch`, an escaped copy of the study in memory.
"""

from __future__ import annotations

import html
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import optuna
import pandas as pd
import plotly.graph_objects as go
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial
from plotly.colors import sample_colorscale
from plotly.subplots import make_subplots

from search.trials import best_trials, ending
from studies.table import OUTCOME, parameters, tried
from studies.theme import BLUE, GREEN, GREY, MARKS, ORANGE, SCALE, styled

BINS = 8
PARALLEL = 300
"""So many of the best completed trials the parallel coordinates show; each is a line of its own."""
CONTOUR = 120
"""So many completed trials the contour is drawn from; its grid has a row and a column for each."""
ACCURACY = "validation accuracy"


def hyperparameters(table: pd.DataFrame) -> list[str]:
    """The table's columns that are hyperparameters."""
    return [name for name in table.columns if name != "trial" and name not in OUTCOME]


def hover(table: pd.DataFrame) -> list[str]:
    """What a point tells of its trial."""
    names = hyperparameters(table)
    return [_hover_line(row, names) for row in table.to_dict("records")]


def _hover_line(row: Mapping[Any, Any], names: Sequence[str]) -> str:
    value = "" if pd.isna(row["value"]) else f", {row['value']:.4f}"
    lines = [f"trial {row['trial']}: {row['ending']}{value}"]
    lines += [f"{name} {_short(row[name])}" for name in names if not _missing(row[name])]
    if row["ending"] == "stuck":
        lines.append(f"{row['kind']} in {row['layer']} since step {row['since_step']:.0f}")
    return "<br>".join(lines)


def _missing(value: Any) -> bool:
    return bool(pd.isna(value))


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


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
    figure = go.Figure(_by_ending(data.points, "trial", "value"))
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


def _by_ending(points: pd.DataFrame, x: str, y: str, legend: bool = True) -> list[go.Scatter]:
    traces = []
    for name, mark in MARKS.items():
        chosen = points[points["ending"] == name]
        if len(chosen):
            traces.append(
                go.Scatter(
                    x=chosen[x],
                    y=chosen[y],
                    mode="markers",
                    name=name,
                    legendgroup=name,
                    showlegend=legend,
                    text=chosen["text"],
                    hovertemplate="%{text}<extra></extra>",
                    marker={
                        "color": mark.colour,
                        "symbol": mark.symbol,
                        "size": 8,
                        "line": {"width": 1.5 if mark.symbol.endswith("open") else 0},
                    },
                )
            )
    return traces


class Point(NamedTuple):
    """An epoch of a trial; without epoch and value a gap between two trials' lines."""

    epoch: int | None
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
    """Training curves of all trials that reported an epoch."""
    ended = [trial for trial in tried(trials) if trial.intermediate_values]
    best = [trial.number for trial in best_trials(ended, 1)]
    lines: dict[str, list[Point]] = {}
    for trial in ended:
        gap = Point(None, None, "", ending(trial))
        lines.setdefault(ending(trial), []).extend([*_curve(trial), gap])
    ends = [_curve(t)[-1] for t in ended if ending(t) in ("stuck", "diverged")]
    winner = [point for trial in ended if trial.number in best for point in _curve(trial)]
    return Curves(
        {name: pd.DataFrame(points) for name, points in lines.items()},
        pd.DataFrame(winner, columns=Point._fields),
        pd.DataFrame(ends, columns=Point._fields),
    )


def _curve(trial: FrozenTrial) -> list[Point]:
    text = f"trial {trial.number}: {ending(trial)}"
    values = trial.intermediate_values
    return [Point(epoch, values[epoch], text, ending(trial)) for epoch in sorted(values)]


def draw_curves(data: Curves) -> go.Figure:
    """All training curves, the best on top; stuck ones end, with a mark, where they stopped."""
    figure = go.Figure()
    for name in ("pruned", "completed", "diverged", "stuck", "failed"):
        if name in data.lines:
            line = data.lines[name]
            figure.add_scatter(
                x=line["epoch"],
                y=line["value"],
                text=line["text"],
                mode="lines+markers" if name == "pruned" else "lines",
                name=name,
                legendgroup=name,
                line={"color": MARKS[name].colour, "width": 1.2},
                marker={"size": 4},
                opacity=0.7,
                hovertemplate="%{text}<br>epoch %{x}: %{y:.4f}<extra></extra>",
            )
    for trace in _by_ending(data.ends, "epoch", "value", legend=False):
        figure.add_trace(trace)
    figure.add_scatter(
        x=data.best["epoch"],
        y=data.best["value"],
        text=data.best["text"],
        name="best trial",
        mode="lines+markers",
        line={"color": GREEN, "width": 3.5},
        hovertemplate="%{text}<br>epoch %{x}: %{y:.4f}<extra></extra>",
    )
    figure.update_xaxes(title="epoch", dtick=1 if _epochs(data) <= 20 else None)
    figure.update_yaxes(title=ACCURACY)
    return styled(figure)


def _epochs(data: Curves) -> float:
    return max((line["epoch"].max() for line in data.lines.values()), default=0.0)


class Slice(NamedTuple):
    """One hyperparameter's axis: points, and the share of stuck trials in each of its bins.

    `points` has the columns value, objective, ending and text; `bins` has centre, width, share
    and trials. `choices` is None for a range.
    """

    name: str
    log: bool
    choices: list[str] | None
    points: pd.DataFrame
    bins: pd.DataFrame


def slice_data(table: pd.DataFrame, name: str, distribution: BaseDistribution) -> Slice:
    """The trials that have the hyperparameter `name`, along its axis."""
    having = table[table[name].notna()]
    points = pd.DataFrame(
        {
            "value": having[name],
            "objective": having["value"],
            "ending": having["ending"],
            "text": hover(having),
        }
    )
    stuck = having["ending"] == "stuck"
    log = bool(getattr(distribution, "log", False))
    if isinstance(distribution, CategoricalDistribution):
        points["value"] = points["value"].astype(str)
        grouped = stuck.groupby(points["value"]).agg(["mean", "size"]).reset_index()
        bins = grouped.set_axis(["centre", "share", "trials"], axis=1).assign(width=0.6)
        choices = [html.escape(str(choice)) for choice in distribution.choices]
        return Slice(name, log, choices, points, bins)
    low, high = float(having[name].min()), float(having[name].max())
    make = np.geomspace if log else np.linspace
    edges = make(low, high, BINS + 1) if high > low else np.array([low - 0.5, high + 0.5])
    place = np.clip(np.searchsorted(edges, having[name], side="right") - 1, 0, len(edges) - 2)
    grouped = stuck.groupby(place).agg(["mean", "size"])
    starts, ends = edges[grouped.index], edges[grouped.index + 1]
    centre = np.sqrt(starts * ends) if log else (starts + ends) / 2
    bins = pd.DataFrame(
        {
            "centre": centre,
            "share": grouped["mean"].to_numpy(),
            "trials": grouped["size"].to_numpy(),
            "width": (ends - starts) * 0.94,
        }
    )
    return Slice(name, log, None, points, bins)


def draw_slice(data: Slice) -> go.Figure:
    """Above, the objective along the axis; below, the share of stuck trials."""
    figure = make_subplots(
        rows=2, shared_xaxes=True, row_heights=[0.74, 0.26], vertical_spacing=0.05
    )
    for trace in _by_ending(data.points, "value", "objective"):
        figure.add_trace(trace, row=1, col=1)
    figure.add_bar(
        x=data.bins["centre"],
        y=data.bins["share"],
        width=data.bins["width"],
        customdata=data.bins["trials"],
        marker={"color": ORANGE},
        showlegend=False,
        hovertemplate="%{y:.0%} of %{customdata} trials stuck<extra></extra>",
        row=2,
        col=1,
    )
    figure.update_xaxes(type="category" if data.choices else "log" if data.log else "linear")
    if data.choices:
        figure.update_xaxes(categoryorder="array", categoryarray=data.choices)
    figure.update_xaxes(title=data.name, row=2, col=1)
    figure.update_yaxes(title="accuracy", row=1, col=1)
    figure.update_yaxes(title="stuck", range=[0, 1.05], tickformat=".0%", nticks=3, row=2, col=1)
    return styled(figure, legend=False)


class Panel(NamedTuple):
    """One activation's part of the map: points learning_rate, dropout, ending and text."""

    title: str
    points: pd.DataFrame


def stuck_map_data(table: pd.DataFrame) -> list[Panel]:
    """Where in learning rate x dropout x activations trials get stuck; a panel a combination.

    Empty where learning rate and dropout are not both searched.
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


def draw_panel(panel: Panel, table: pd.DataFrame) -> go.Figure:
    """One panel, on the axes that all panels of `table` share."""
    figure = go.Figure(_by_ending(panel.points, "learning_rate", "dropout"))
    for update, name in ((figure.update_xaxes, "learning_rate"), (figure.update_yaxes, "dropout")):
        low, high = table[name].min(), table[name].max()
        pad = 0.06 * (high - low) or 0.1
        update(title=name, range=[low - pad, high + pad])
    return styled(figure, 280, legend=False)


class Timeline(NamedTuple):
    """When each worker ran which trial: worker, start, seconds, ending, text."""

    bars: pd.DataFrame


def timeline_data(table: pd.DataFrame) -> Timeline:
    """The trials that know when they ran; those whose process is not known share a row."""
    known = table[table["started"].notna() & table["ended"].notna()]
    seconds = (pd.to_datetime(known["ended"]) - pd.to_datetime(known["started"])).dt.total_seconds()
    return Timeline(
        pd.DataFrame(
            {
                "worker": known["worker"].fillna("unknown"),
                "start": known["started"],
                "seconds": seconds,
                "ending": known["ending"],
                "text": hover(known),
            }
        )
    )


def draw_timeline(data: Timeline) -> go.Figure:
    """A row a worker, a bar a trial."""
    names = {w: f"worker {n}" for n, w in enumerate(dict.fromkeys(data.bars["worker"]), 1)}
    figure = go.Figure()
    for name, mark in MARKS.items():
        chosen = data.bars[data.bars["ending"] == name]
        if len(chosen):
            figure.add_bar(
                orientation="h",
                base=chosen["start"],
                x=chosen["seconds"] * 1000,
                y=chosen["worker"].map(names),
                name=name,
                marker={"color": mark.colour, "line": {"width": 0}},
                text=None,
                customdata=chosen["text"] + "<br>" + chosen["worker"],
                hovertemplate="%{customdata}<extra></extra>",
            )
    figure.update_xaxes(type="date", title="time (UTC)")
    figure.update_layout(barmode="overlay")
    return styled(figure, 140 + 34 * len(names))


def sketch(trials: Sequence[FrozenTrial]) -> Study:
    """A copy in memory for Optuna's own figures: completed trials only, all strings escaped."""
    study = optuna.create_study(direction="maximize")
    completed = [t for t in tried(trials) if t.state == TrialState.COMPLETE]
    study.add_trials([_safe(trial) for trial in completed])
    return study


def _safe(trial: FrozenTrial) -> FrozenTrial:
    return create_trial(
        value=trial.value,
        params={html.escape(name): _safe_value(value) for name, value in trial.params.items()},
        distributions={html.escape(n): _safe_axis(d) for n, d in trial.distributions.items()},
        intermediate_values=trial.intermediate_values,
    )


def _safe_value(value: Any) -> Any:
    return html.escape(value) if isinstance(value, str) else value


def _safe_axis(distribution: BaseDistribution) -> BaseDistribution:
    if isinstance(distribution, CategoricalDistribution):
        return CategoricalDistribution([_safe_value(choice) for choice in distribution.choices])
    return distribution


def draw_importances(study: Study) -> go.Figure | None:
    """Optuna's importances (PED-ANOVA) of completed trials, None where it can tell none."""
    figure = _by_optuna(optuna.visualization.plot_param_importances, study)
    if figure is None:
        return None
    figure.update_traces(marker={"color": BLUE}, cliponaxis=False)
    figure.update_xaxes(title="share of variance", range=[0, 1.1])
    figure.update_yaxes(title=None)
    return styled(figure, 90 + 44 * len(parameters(study.get_trials(deepcopy=False))), legend=False)


def draw_parallel(study: Study) -> go.Figure | None:
    """Optuna's parallel coordinates of the best PARALLEL completed trials."""
    few = optuna.create_study(direction="maximize")
    few.add_trials(best_trials(study.get_trials(deepcopy=False), PARALLEL))
    figure = _by_optuna(optuna.visualization.plot_parallel_coordinate, few, target_name="accuracy")
    if figure is None:
        return None
    for trace in figure.data:  # Optuna's blues would vanish on a dark page
        if trace.mode == "lines" and trace.y:
            trace.line.color = sample_colorscale([GREY, GREEN], trace.y[0])[0]
    figure.update_traces(marker={"colorscale": [[0, GREY], [1, GREEN]]})
    figure.update_annotations(font={"color": None})
    return styled(figure, 400, legend=False).update_layout(margin={"b": 60})


def draw_contour(study: Study, pair: tuple[str, str]) -> go.Figure | None:
    """Optuna's contour of two ranges over completed trials, None where it can draw none."""
    if not set(pair) <= set(parameters(study.get_trials(deepcopy=False))):
        return None
    trials = study.get_trials(deepcopy=False)
    ranked = best_trials(trials, len(trials))
    few = optuna.create_study(direction="maximize")
    few.add_trials(ranked[:: max(1, math.ceil(len(ranked) / CONTOUR))])
    plot = optuna.visualization.plot_contour
    figure = _by_optuna(plot, few, params=list(pair), target_name="accuracy")
    if figure is None:
        return None
    figure.update_traces(colorscale=SCALE, selector={"type": "contour"})
    figure.update_traces(
        marker={"color": ORANGE, "size": 8, "line": {"width": 1, "color": "#FFFFFF"}},
        selector={"type": "scatter"},
    )
    return styled(figure, 400, legend=False)


def draw_edf(study: Study) -> go.Figure | None:
    """Optuna's empirical distribution of the objective of completed trials."""
    figure = _by_optuna(optuna.visualization.plot_edf, study)
    if figure is None:
        return None
    figure.update_traces(line={"color": BLUE, "width": 2.5})
    figure.update_xaxes(title=ACCURACY)
    figure.update_yaxes(title="share of completed trials below it")
    return styled(figure, legend=False)


def _by_optuna(plot: Callable[..., go.Figure], study: Study, **more: Any) -> go.Figure | None:
    """One of Optuna's figures; None where the study has too few or too equal trials for it."""
    completed = study.get_trials(deepcopy=False)
    if len({trial.value for trial in completed}) < 2:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return plot(study, **more)
        except (ValueError, RuntimeError):
            return None
