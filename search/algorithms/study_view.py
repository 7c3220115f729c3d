"""A study as it would be if no trial had ever been lost: what samplers and pruners are shown.

Lost trials use up numbers, and leave behind what they reported. TPE tells its own trial from the
others by its number, CMA-ES adds the number to its seed, and Hyperband hashes it. Here lost trials
are absent and numbers are ordinals. With a lag, the trials that began shortly before are absent,
too: those that other workers may or may not have finished yet.
"""

from __future__ import annotations

import copy
from collections.abc import Container
from functools import cached_property
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search.storage import RELATIVE_PARAMS, storage_of, study_id
from search.study import TrialRecord, ordinals


def visible_study(study: Study, trial: FrozenTrial, lag: int | None) -> tuple[Study, int]:
    """The study as the trial may see it, and the trial's ordinal.

    Lost trials are absent; so are, with a lag, those whose ordinal is above the trial's own - lag.
    The database is read once, when the trials are first used, which a pruner rarely does: what
    other workers write later is not seen.
    """
    storage: Any = _VisibleTrials(study, trial, lag)
    visible = Study(study.study_name, storage, sampler=study.sampler, pruner=study.pruner)
    return visible, storage.ordinal


def renumbered(trial: FrozenTrial, number: int) -> FrozenTrial:
    """The trial under another number; a copy, unless it has that number already."""
    if trial.number == number:
        return trial
    other = copy.copy(trial)
    other.number = number
    return other


class _VisibleTrials:
    """A study's storage with the visible trials alone; in all else it is the study's own.

    Replacing `Study.get_trials` would not do: Hyperband makes a study for each of its brackets,
    straight from the storage.
    """

    def __init__(self, study: Study, trial: FrozenTrial, lag: int | None) -> None:
        self._study, self._trial, self._lag = study, trial, lag
        self._storage, self._study_id = storage_of(study), study_id(study)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    @cached_property
    def _all_trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    @cached_property
    def ordinal(self) -> int:
        """The ordinal of the trial that is shown the study."""
        known = TrialRecord.of(self._trial).ordinal
        return ordinals(self._all_trials)[self._trial.number] if known is None else known

    @cached_property
    def _visible(self) -> list[FrozenTrial]:
        trials, own = self._all_trials, self.ordinal
        last = own - self._lag if self._lag is not None else own + len(trials)
        visible = sorted(
            (ordinal, number)
            for number, ordinal in ordinals(trials).items()
            if ordinal <= last or ordinal == own
        )
        return [renumbered(trials[number], ordinal) for ordinal, number in visible]

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Store what a sampler keeps of a trial; but not the parameters that TPE and GP have drawn
        for it, which are stored as the trial's parameters a moment later."""
        if RELATIVE_PARAMS not in key:
            self._storage.set_trial_system_attr(trial_id, key, value)

    def get_study_id_from_name(self, _name: str) -> int:
        return self._study_id

    def get_all_trials(
        self,
        _study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        chosen = [trial for trial in self._visible if states is None or trial.state in states]
        return copy.deepcopy(chosen) if deepcopy else chosen
