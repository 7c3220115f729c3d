"""How long runs take, estimated from those that have ended, and which of them fit into a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple

from optuna.trial import FrozenTrial

from search.study import PlannedRun, RunKey, TrialRecord, is_finished, key_of, objective_value

RACE_TIME_SHARE = 0.25
"""So much of the time that a search may take is kept for the race, and a run of the greatest budget
more."""


UNTRIED = -1
"""Stands for a configuration that was not tried yet."""


class _Timed(NamedTuple):
    """A run that has ended, and the seconds that an epoch of it took."""

    key: RunKey
    epoch: float


class RunTimes:
    """What is known of the time that runs take, from the trials of a study that have ended.

    Of those that began before `since`, in seconds since 1970, it is not known how many workers made
    them: a search may be continued with other workers.

    A run that can be continued from a shorter one takes less time than is expected here: the
    weights of that may be lost.
    """

    def __init__(self, trials: Sequence[FrozenTrial], since: float) -> None:
        self._timed = [timed for trial in trials if (timed := _timed(trial)) is not None]
        self._at_once = _at_once(trials, since)

    def expected(self, key: RunKey) -> float:
        """The seconds that a run is expected to take; 0 while nothing is known.

        It is what the runs of the same configuration say of an epoch, or else all runs: the median
        of those of the same budget, or else of the nearest one.
        """
        own = [timed for timed in self._timed if timed.key.configuration == key.configuration]
        candidates = own or self._timed
        if not candidates:
            return 0.0
        budgets = {timed.key.budget for timed in candidates}
        nearest = min(budgets, key=lambda budget: (abs(budget - key.budget), -budget))
        epochs = [timed.epoch for timed in candidates if timed.key.budget == nearest]
        return key.budget * median(epochs)

    def expected_of_any(self, budget: int) -> float:
        """The seconds that a run of a configuration that was not tried yet is expected to take."""
        return self.expected(RunKey(UNTRIED, budget))

    def are_known_of(self, budget: int) -> bool:
        """Has a run of that budget completed?"""
        return any(timed.key.budget == budget for timed in self._timed)

    def number_in(self, seconds: float, budget: int) -> int:
        """About how many runs of that budget can be made in so many seconds; 0 if not known."""
        expected = self.expected_of_any(budget)
        return int(seconds * self._at_once / expected) if expected else 0

    def fitting(self, planned: Iterable[PlannedRun], seconds: float) -> list[PlannedRun]:
        """Those of the runs, the earlier ones first, that end within so many seconds.

        As many are made at once as were made so far.
        """
        left, found = seconds * self._at_once, []
        for run in planned:
            expected = self.expected(run.key)
            if expected <= min(seconds, left):
                found.append(run)
                left -= expected
        return found


def _timed(trial: FrozenTrial) -> _Timed | None:
    """None for a run that did not complete, whose last epoch was not a whole one."""
    key, record = key_of(trial), TrialRecord.of(trial)
    if key is None or objective_value(trial) is None or not record.epochs_trained:
        return None
    return _Timed(key, record.seconds_trained / record.epochs_trained)


def _at_once(trials: Sequence[FrozenTrial], since: float) -> float:
    """How many runs were made at once, in the generation in which these were most; at least 1.

    In each generation it is the time of all runs together, by that from the first one's start to
    the last one's end.
    """
    generations: dict[int | None, list[FrozenTrial]] = {}
    for trial in trials:
        started = trial.datetime_start
        if is_finished(trial) and started is not None and started.timestamp() >= since:
            generations.setdefault(TrialRecord.of(trial).generation, []).append(trial)
    return max((1.0, *map(_at_once_of, generations.values())))


def _at_once_of(ended: Sequence[FrozenTrial]) -> float:
    busy = sum(TrialRecord.of(trial).seconds_trained for trial in ended)
    first = min(trial.datetime_start.timestamp() for trial in ended if trial.datetime_start)
    last = max(trial.datetime_complete.timestamp() for trial in ended if trial.datetime_complete)
    return busy / (last - first) if last > first else 1.0
