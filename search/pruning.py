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
        storage: Any = _WithoutLost(study._storage)
        view = Study(study.study_name, storage, sampler=study.sampler, pruner=self.inner)
        renumbered = copy.copy(trial)
        renumbered.number = ordinal(trial.number, study.get_trials(deepcopy=False))
        return self.inner.prune(view, renumbered)


class _WithoutLost:
    """A storage as a pruner may see it. (The storage and not the study, because Hyperband makes
    studies of its own on it, one a bracket.)"""

    def __init__(self, storage: Any) -> None:
        self._storage = storage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        everyone = self._storage.get_all_trials(study_id, deepcopy=deepcopy)
        kept = [copy.copy(trial) for trial in everyone if not is_lost(trial)]
        for place, trial in enumerate(kept):
            trial.number = place
        return [trial for trial in kept if states is None or trial.state in states]
