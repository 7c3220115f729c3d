"""Optuna's pruners, made blind to trials that were lost."""

from __future__ import annotations

import optuna
from optuna.pruners import BasePruner
from optuna.study import Study
from optuna.trial import FrozenTrial

from search.algorithms.study_view import numbered, uninterrupted
from search.presets.preset import Preset


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
    return KillProofPruner(inner, preset.workers.lag)


class KillProofPruner(BasePruner):
    """Any pruner, shown the study as if no trial had been lost."""

    def __init__(self, inner: BasePruner, lag: int | None) -> None:
        self.inner, self._lag = inner, lag

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        view, place = uninterrupted(study, trial, self._lag)
        return self.inner.prune(view, numbered(trial, place))
