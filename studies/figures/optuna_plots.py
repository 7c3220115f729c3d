"""Figures that Optuna computes: importances, parallel coordinates, empirical distribution.

They show a copy of the study in memory (`escaped_copy`), whose strings are escaped, because Optuna
would put names and choices into the page as they are.
"""

from __future__ import annotations

import html
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import optuna
import plotly.graph_objects as go
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, create_trial

from search.study import best_trials, objective_value
from studies.figures.marks import ACCURACY
from studies.figures.theme import BLUE, styled
from studies.figures.trial_frame import ended_trials, parameters

PARALLEL_TRIALS = 300
"""How many of the best completed trials the parallel coordinates show, each as a line."""
MIN_OPACITY = 0.12
"""The opacity of the line of the worst of these trials."""


def escaped_copy(trials: Sequence[FrozenTrial]) -> Study:
    """A copy of the completed trials in memory, for Optuna's figures, with all strings escaped.

    A trial keeps only what these figures show, because Optuna copies trials many times. A trial
    that was enqueued with a parameter outside of its range is left out, because Optuna refuses it.
    """
    study = optuna.create_study(direction="maximize")
    for trial in ended_trials(trials):
        if objective_value(trial) is not None:
            with suppress(ValueError):
                study.add_trial(_escaped_trial(trial))
    return study


def _escaped_trial(trial: FrozenTrial) -> FrozenTrial:
    return create_trial(
        value=trial.value,
        params={html.escape(name): _escaped_value(value) for name, value in trial.params.items()},
        distributions={
            html.escape(n): _escaped_distribution(d) for n, d in trial.distributions.items()
        },
    )


def _escaped_value(value: Any) -> Any:
    return html.escape(value) if isinstance(value, str) else value


def _escaped_distribution(distribution: BaseDistribution) -> BaseDistribution:
    if isinstance(distribution, CategoricalDistribution):
        return CategoricalDistribution([_escaped_value(choice) for choice in distribution.choices])
    return distribution


def importances_data(study: Study) -> dict[str, float] | None:
    """Optuna's importance of each hyperparameter (PED-ANOVA); None if it cannot be computed."""
    shares: dict[str, float] | None = _result_or_none(
        optuna.importance.get_param_importances, study
    )
    return shares


def draw_importances(shares: Mapping[str, float]) -> go.Figure:
    """A bar for each hyperparameter.

    Optuna's own figure is not used, because it copies the whole study for each hyperparameter.
    """
    values = list(shares.values())
    figure = go.Figure(
        go.Bar(
            x=values,
            y=list(shares),
            orientation="h",
            text=[f"{value:.2f}" if value >= 0.01 else "< 0.01" for value in values],
            textposition="outside",
            cliponaxis=False,
            marker={"color": BLUE},
            hovertemplate="%{y}: %{x:.4f}<extra></extra>",
        )
    )
    figure.update_xaxes(title="share of variance", range=[0, 1.15 * max(values)])
    figure.update_yaxes(autorange="reversed")
    return styled(figure, _height(len(shares)), legend=False)


def draw_parallel(study: Study) -> go.Figure | None:
    """Optuna's parallel coordinates of the best PARALLEL_TRIALS trials; better lines are more
    opaque.

    None if they cannot be drawn.
    """
    best = optuna.create_study(direction="maximize")
    best.add_trials(best_trials(study.get_trials(deepcopy=False), PARALLEL_TRIALS))
    figure = _result_or_none(
        optuna.visualization.plot_parallel_coordinate, best, target_name="accuracy"
    )
    if figure is None:
        return None
    # One trace only serves as the colour bar; it is not needed: the first axis shows the same.
    lines = sorted((t for t in figure.data if t.mode == "lines"), key=lambda trace: trace.y[0])
    for rank, trace in enumerate(lines, 1):
        trace.line = {"color": BLUE, "width": 1.5}
        trace.opacity = MIN_OPACITY + (1 - MIN_OPACITY) * (rank / len(lines)) ** 2
    figure.data = lines
    figure.update_annotations(font={"color": None})
    names = [name.replace("_", "_<br>") for name in figure.layout.xaxis.ticktext]
    figure.update_xaxes(ticktext=names, tickangle=0)
    return styled(figure, 400, legend=False).update_layout(margin={"l": 56, "r": 40})


def draw_edf(study: Study) -> go.Figure | None:
    """Optuna's empirical distribution of the completed trials' objective; None if it cannot be
    drawn."""
    figure = _result_or_none(optuna.visualization.plot_edf, study)
    if figure is None:
        return None
    figure.update_traces(line={"color": BLUE, "width": 2.5})
    figure.update_xaxes(title=ACCURACY)
    figure.update_yaxes(title="share below it", range=[0, 1.02])
    names = parameters(study.get_trials(deepcopy=False))
    return styled(figure, _height(len(names)), legend=False)


def _height(hyperparameters: int) -> int:
    """The height in pixels at which the importances, and the figure next to them, have enough
    room."""
    return max(360, 90 + 28 * hyperparameters)


def _result_or_none(function: Callable[..., Any], study: Study, **options: Any) -> Any:
    """The result of an Optuna function; None if the study has too few different values for it."""
    completed = study.get_trials(deepcopy=False)
    if len({trial.value for trial in completed}) < 2:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return function(study, **options)
        except (ValueError, RuntimeError):
            return None
