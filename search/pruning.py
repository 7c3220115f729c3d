"""Optuna's pruners, made blind to trials that were lost."""

from __future__ import annotations

import copy
from collections.abc import Container
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search.preset import Preset
from search.trials import is_lost, ordinal


def make_pruner(preset: Preset) -> BasePruner:
    """The preset's pruner, for runs of 1 to `epochs` epochs."""
    factor = preset.pruner.reduction_factor
    match preset.pruner.name:
        case "successive_halving":
            inner: BasePruner = optuna.pruners.SuccessiveHalvingPruner(
                min_resource=1, reduction_factor=factor
            )
        case "hyperband":
            inner = optuna.pruners.HyperbandPruner(
                min_resource=1, max_resource=preset.epochs, reduction_factor=factor
            )
        case "median":
            inner = optuna.pruners.MedianPruner()
        case "none":
            inner = optuna.pruners.NopPruner()
    return KillProofPruner(inner)


class KillProofPruner(BasePruner):
    """Any pruner, shown the study without its lost trials and with ordinals as numbers.

    A lost trial has left its rungs behind, and is compared with its own second try otherwise;
    Hyperband chooses a trial's bracket by its number.
    """

    def __init__(self, inner: BasePruner) -> None:
        self.inner = inner

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        view = _WithoutLost(study)
        renumbered = copy.copy(trial)
        renumbered.number = ordinal(trial.number, study.get_trials(deepcopy=False))
        return bool(self.inner.prune(view, renumbered))  # type: ignore[arg-type]


class _WithoutLost:
    """A study as a pruner may see it."""

    def __init__(self, study: Study) -> None:
        self._study = study

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        everyone = self._study.get_trials(deepcopy=deepcopy)
        kept, place = [], 0
        for trial in everyone:
            if is_lost(trial):
                continue
            if states is None or trial.state in states:
                renumbered = copy.copy(trial)
                renumbered.number = place
                kept.append(renumbered)
            place += 1
        return kept
