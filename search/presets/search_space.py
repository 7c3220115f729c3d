"""Optuna's distributions for a preset's space, and the configurations that a trial stands for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.hyperparameters import HYPERPARAMETERS
from search.presets.dimension import Dimension
from search.presets.preset import Preset


def stored_choice(choice: Any) -> Any:
    """How Optuna stores a choice: as it is, or, for a list such as [32, 64], as "32-64".

    Studies hold this form, so it stays as it is however values are shown.
    """
    return "-".join(map(str, choice)) if isinstance(choice, list | tuple) else choice


def distributions(preset: Preset) -> dict[str, BaseDistribution]:
    """Optuna's distribution of each searched hyperparameter, in the space's order."""
    searched = preset.space.dimensions()
    return {name: _distribution(name, dimension) for name, dimension in searched.items()}


def _distribution(name: str, dimension: Dimension) -> BaseDistribution:
    if dimension.choices is not None:
        return CategoricalDistribution([stored_choice(choice) for choice in dimension.choices])
    assert dimension.low is not None
    assert dimension.high is not None
    if HYPERPARAMETERS[name].whole:
        low, high, step = int(dimension.low), int(dimension.high), int(dimension.step or 1)
        return IntDistribution(low, high, log=dimension.log, step=step)
    return FloatDistribution(
        float(dimension.low), float(dimension.high), log=dimension.log, step=dimension.step
    )


def grid(preset: Preset) -> dict[str, list[Any]]:
    """The values of each hyperparameter for a grid: its choices, or the steps of its range."""
    return {name: _grid_values(d) for name, d in distributions(preset).items()}


def grid_size(preset: Preset) -> int:
    """How many points the grid has."""
    return math.prod(len(values) for values in grid(preset).values())


def _grid_values(distribution: BaseDistribution) -> list[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    steps = round((distribution.high - distribution.low) / (distribution.step or 1))
    values: list[Any] = np.linspace(distribution.low, distribution.high, steps + 1).tolist()
    return [round(v) for v in values] if isinstance(distribution, IntDistribution) else values


def suggest(trial: Trial, preset: Preset) -> None:
    """Ask the trial for a value of every searched hyperparameter."""
    for name, distribution in distributions(preset).items():
        _suggest(trial, name, distribution)


def _suggest(trial: Trial, name: str, distribution: BaseDistribution) -> None:
    if isinstance(distribution, CategoricalDistribution):
        trial.suggest_categorical(name, distribution.choices)
        return
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    ask = trial.suggest_int if isinstance(distribution, IntDistribution) else trial.suggest_float
    low, high, step, log = (getattr(distribution, part) for part in ("low", "high", "step", "log"))
    ask(name, low, high, step=step, log=log)


def stored_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as a preset writes them, in the form in which Optuna stores them."""
    return {name: stored_choice(value) for name, value in params.items()}


def configurations(
    preset: Preset, params: Mapping[str, Any], seed: int
) -> tuple[ModelConfig, TrainConfig]:
    """The configurations of a trial: the preset's fixed values and the trial's stored parameters.

    Parameters that the preset does not search are taken as they are. Raises pydantic's
    ValidationError where the configurations do not accept them, or they do not go together.
    """
    model, train = dict(preset.model), {**preset.train, "seed": seed}
    searched = preset.space.dimensions()
    for name, value in params.items():
        section = model if name in ModelConfig.model_fields else train
        section[name] = _as_written(value, searched[name]) if name in searched else value
    return ModelConfig(**model), TrainConfig(**train)


def _as_written(value: Any, dimension: Dimension) -> Any:
    """A stored value as the preset writes it: "32-64" becomes [32, 64]."""
    return next((c for c in dimension.choices or () if stored_choice(c) == value), value)
