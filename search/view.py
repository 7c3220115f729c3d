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


def uninterrupted(study: Study, trial: FrozenTrial, lag: int | None) -> tuple[Study, int]:
    """The study as the trial may see it now, and the trial's ordinal.

    That is, without lost trials, and with a lag without those of ordinals above its own - lag.
    The study is read once: what others add later is not seen.
    """
    trials = study.get_trials(deepcopy=False)
    places = ordinals(trials)
    own = places[trial.number]
    last = own - lag if lag is not None else own + len(trials)
    seen = sorted((place, n) for n, place in places.items() if place <= last or place == own)
    storage: Any = _View(study, [numbered(trials[n], place) for place, n in seen])
    return Study(study.study_name, storage, sampler=study.sampler, pruner=study.pruner), own


def numbered(trial: FrozenTrial, number: int) -> FrozenTrial:
    """The trial under another number."""
    if trial.number == number:
        return trial
    other = copy.copy(trial)
    other.number = number
    return other


class _View:
    """The storage behind the view. (A study of its own would not do: Hyperband makes studies
    straight from the storage, one a bracket.)"""

    def __init__(self, study: Study, trials: list[FrozenTrial]) -> None:
        self._storage, self._study_id, self._trials = study._storage, study._study_id, trials

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def get_study_id_from_name(self, _name: str) -> int:
        return self._study_id

    def get_all_trials(
        self,
        _study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        seen = [trial for trial in self._trials if states is None or trial.state in states]
        return copy.deepcopy(seen) if deepcopy else seen
