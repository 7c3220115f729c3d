"""A study as it would be had no trial ever been lost: for samplers and pruners to look at.

Lost trials use up numbers and leave rungs behind; TPE tells a trial from the others by its number,
CMA-ES adds the number to its seed, Hyperband hashes it. In the view lost trials are absent and
numbers are ordinals. With a lag, trials that came too shortly before are absent, too.
"""

from __future__ import annotations

import copy
from collections.abc import Container
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search.trials import ordinals


def uninterrupted(study: Study, trial: FrozenTrial, lag: int | None) -> tuple[Study, FrozenTrial]:
    """The study as the trial may see it, and the trial with its ordinal as number.

    That is, without lost trials, and with a lag without those of ordinals above its own - lag.
    """
    place = ordinals(study.get_trials(deepcopy=False))[trial.number]
    storage: Any = _View(study._storage, place, lag)
    view = Study(study.study_name, storage, sampler=study.sampler, pruner=study.pruner)
    renumbered = copy.copy(trial)
    renumbered.number = place
    return view, renumbered


class _View:
    """The storage behind the view. (A study of its own would not do: Hyperband makes studies
    straight from the storage, one a bracket.)"""

    def __init__(self, storage: Any, place: int, lag: int | None) -> None:
        self._storage, self._place = storage, place
        self._last = place - lag if lag is not None else None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        everyone = self._storage.get_all_trials(study_id, deepcopy=deepcopy)
        seen = []
        for number, place in ordinals(everyone).items():
            trial = everyone[number]
            if self._visible(place) and (states is None or trial.state in states):
                seen.append(copy.copy(trial))
                seen[-1].number = place
        return sorted(seen, key=lambda trial: trial.number)

    def _visible(self, place: int) -> bool:
        return self._last is None or place <= self._last or place == self._place
