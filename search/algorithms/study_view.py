"""A study as it would be had no trial ever been lost: for samplers and pruners to look at.

Lost trials use up numbers and leave rungs behind; TPE tells a trial from the others by its number,
CMA-ES adds the number to its seed, Hyperband hashes it. In the view lost trials are absent and
numbers are ordinals. With a lag, trials that came too shortly before are absent, too.
"""

from __future__ import annotations

import copy
from collections.abc import Container
from functools import cached_property
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search.study.trials import ORDINAL, ordinals

ANNOUNCED = ":relative_params:"


def uninterrupted(study: Study, trial: FrozenTrial, lag: int | None) -> tuple[Study, int]:
    """The study as the trial may see it, and the trial's ordinal.

    That is, without lost trials, and with a lag without those of ordinals above its own - lag.
    The study is read once, when its trials are first asked for, which a pruner mostly does not:
    what others add later is not seen.
    """
    view: Any = _View(study, trial, lag)
    seen = Study(study.study_name, view, sampler=study.sampler, pruner=study.pruner)
    return seen, view.ordinal


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

    def __init__(self, study: Study, trial: FrozenTrial, lag: int | None) -> None:
        self._study, self._trial, self._lag = study, trial, lag
        self._storage, self._study_id = study._storage, study._study_id

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    @cached_property
    def _read(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    @cached_property
    def ordinal(self) -> int:
        """That of the trial that looks."""
        named: int | None = self._trial.user_attrs.get(ORDINAL)
        return ordinals(self._read)[self._trial.number] if named is None else named

    @cached_property
    def _seen(self) -> list[FrozenTrial]:
        places, own = ordinals(self._read), self.ordinal
        last = own - self._lag if self._lag is not None else own + len(self._read)
        seen = sorted((place, n) for n, place in places.items() if place <= last or place == own)
        return [numbered(self._read[n], place) for place, n in seen]

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """What samplers note. That TPE and GP announce to others what they have drawn is left out:
        a moment later it is written as the trial's parameters."""
        if ANNOUNCED not in key:
            self._storage.set_trial_system_attr(trial_id, key, value)

    def get_study_id_from_name(self, _name: str) -> int:
        return self._study_id

    def get_all_trials(
        self,
        _study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        seen = [trial for trial in self._seen if states is None or trial.state in states]
        return copy.deepcopy(seen) if deepcopy else seen
