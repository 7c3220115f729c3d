"""Optuna's pruners, which do not see trials that were lost.

A new pruner is one more `case` in `make_pruner`, and one more name in
`search.presets.sections.PrunerConfig`.
"""

from __future__ import annotations

import optuna
from optuna.pruners import BasePruner
from optuna.study import Study
from optuna.trial import FrozenTrial

from search.algorithms.study_view import renumbered, visible_study
from search.presets import Preset


def make_pruner(preset: Preset) -> BasePruner:
    """The preset's pruner, for trials that report once an epoch.

    Args:
        preset: Names the pruner and its reduction factor (`preset.pruner`); its number of epochs is
            the most that a trial can report. A search in budgets has no pruner.
    """
    factor = preset.pruner.reduction_factor
    match preset.pruner.name if preset.search is None else "none":
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
    """Any pruner, shown the study without its lost trials (`search.algorithms.study_view`)."""

    def __init__(self, inner: BasePruner, lag: int | None) -> None:
        """Wrap the pruner `inner`; `lag` is the preset's `workers.lag`."""
        self.inner, self._lag = inner, lag

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Is the trial to be pruned after what it has reported last?"""
        visible, ordinal = visible_study(study, trial, self._lag)
        return self.inner.prune(visible, renumbered(trial, ordinal))
