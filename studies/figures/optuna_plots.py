"""The figures that Optuna draws: importances, parallel coordinates, empirical distribution.

They are drawn of `escaped_copy`, a copy of the study in memory whose strings are escaped, and
styled.
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
"""So many of the best completed trials the parallel coordinates show; each is a line of its own."""
FAINTEST = 0.12
"""The opacity of the worst of them."""


def escaped_copy(trials: Sequence[FrozenTrial]) -> Study:
    """A copy in memory for Optuna's own figures: completed trials only, all strings escaped.

    Of a trial no more is kept than these figures show, for Optuna copies all of it again and again.
    A trial that was enqueued with a parameter outside of its range is left out: Optuna refuses it.
    """
    study = optuna.create_study(direction="maximize")
    for trial in ended_trials(trials):
        if objective_value(trial) is not None:
            with suppress(ValueError):
                study.add_trial(_safe(trial))
    return study


def _safe(trial: FrozenTrial) -> FrozenTrial:
    return create_trial(
        value=trial.value,
        params={html.escape(name): _safe_value(value) for name, value in trial.params.items()},
        distributions={html.escape(n): _safe_axis(d) for n, d in trial.distributions.items()},
    )


def _safe_value(value: Any) -> Any:
    return html.escape(value) if isinstance(value, str) else value


def _safe_axis(distribution: BaseDistribution) -> BaseDistribution:
    if isinstance(distribution, CategoricalDistribution):
        return CategoricalDistribution([_safe_value(choice) for choice in distribution.choices])
    return distribution


def importances_data(study: Study) -> dict[str, float] | None:
    """Optuna's importances of completed trials (PED-ANOVA), None where it can tell none."""
    shares: dict[str, float] | None = _asked(optuna.importance.get_param_importances, study)
    return shares


def draw_importances(shares: Mapping[str, float]) -> go.Figure:
    """A bar a hyperparameter; Optuna's own figure copies the whole study for each of them."""
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
    """Optuna's parallel coordinates of the best PARALLEL completed trials, the best strongest."""
    few = optuna.create_study(direction="maximize")
    few.add_trials(best_trials(study.get_trials(deepcopy=False), PARALLEL_TRIALS))
    figure = _asked(optuna.visualization.plot_parallel_coordinate, few, target_name="accuracy")
    if figure is None:
        return None
    # One trace is there for a colour bar only; the first axis tells accuracy as well.
    lines = sorted((t for t in figure.data if t.mode == "lines"), key=lambda trace: trace.y[0])
    for place, trace in enumerate(lines, 1):
        trace.line = {"color": BLUE, "width": 1.5}
        trace.opacity = FAINTEST + (1 - FAINTEST) * (place / len(lines)) ** 2
    figure.data = lines
    figure.update_annotations(font={"color": None})
    names = [name.replace("_", "_<br>") for name in figure.layout.xaxis.ticktext]
    figure.update_xaxes(ticktext=names, tickangle=0)
    return styled(figure, 400, legend=False).update_layout(margin={"l": 56, "r": 40})


def draw_edf(study: Study) -> go.Figure | None:
    """Optuna's empirical distribution of the objective of completed trials."""
    figure = _asked(optuna.visualization.plot_edf, study)
    if figure is None:
        return None
    figure.update_traces(line={"color": BLUE, "width": 2.5})
    figure.update_xaxes(title=ACCURACY)
    figure.update_yaxes(title="share below it", range=[0, 1.02])
    names = parameters(study.get_trials(deepcopy=False))
    return styled(figure, _height(len(names)), legend=False)


def _height(hyperparameters: int) -> int:
    """Space for a bar of each hyperparameter, in their figure and in the one beside it."""
    return max(360, 90 + 28 * hyperparameters)


def _asked(question: Callable[..., Any], study: Study, **more: Any) -> Any:
    """What Optuna answers; None where the study has too few or too equal trials for it."""
    completed = study.get_trials(deepcopy=False)
    if len({trial.value for trial in completed}) < 2:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return question(study, **more)
        except (ValueError, RuntimeError):
            return None
