"""A study as it would be had no trial ever been lost: for samplers and pruners to look at.

Lost trials use up numbers and leave rungs behind; TPE tells a trial from the others by its number,
CMA-ES adds the number to its seed, the grid begins with the point of that number, Hyperband hashes
it. In the view lost trials are absent and numbers are ordinals.
"""

from __future__ import annotations

import copy
from collections.abc import Container
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search.trials import is_lost, ordinal


def uninterrupted(study: Study, trial: FrozenTrial) -> tuple[Study, FrozenTrial]:
    """The study without its lost trials, and the trial with its ordinal as number."""
    storage: Any = _WithoutLost(study._storage)
    view = Study(study.study_name, storage, sampler=study.sampler, pruner=study.pruner)
    renumbered = copy.copy(trial)
    renumbered.number = ordinal(trial.number, study.get_trials(deepcopy=False))
    return view, renumbered


class _WithoutLost:
    """The storage behind the view. (A study of its own would not do: Hyperband makes studies
    straight from the storage, one a bracket.)"""

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
