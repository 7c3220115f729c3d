"""What a study's trials are: finished, failed or lost, and which ordinal each one has.

A trial is *lost* when its process was killed, interrupted or not heard of any more: Optuna calls
it failed, but nothing was wrong with it, and it is tried again. Lost trials use up numbers; so
whatever has to be the same in a study that was interrupted and in one that was not (seeds,
brackets, grid points) goes by a trial's *ordinal*, which a second try of a lost trial takes over.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

from search.study.trial_record import TrialRecord


def is_lost(trial: FrozenTrial) -> bool:
    """Was the trial ended by a kill or an interrupt, not by a fault of its own?"""
    if trial.state != TrialState.FAIL:
        return False
    return TrialRecord.of(trial).fail_reason in ("killed", "interrupted")


def is_finished(trial: FrozenTrial) -> bool:
    """Does the trial count as finished? Completed and pruned ones do, stuck ones among them."""
    return trial.state in (TrialState.COMPLETE, TrialState.PRUNED)


def ordinals(trials: Sequence[FrozenTrial]) -> dict[int, int]:
    """The ordinal of each trial that was not lost, by its number, in the order of numbers.

    Trials that do not name theirs count on from the highest so far; those that wait have none.
    """
    found: dict[int, int] = {}
    highest = -1
    for trial in trials:
        if is_lost(trial):
            continue
        ordinal = TrialRecord.of(trial).ordinal
        if ordinal is None:
            if trial.state == TrialState.WAITING:
                continue
            ordinal = highest + 1
        found[trial.number] = ordinal
        highest = max(highest, ordinal)
    return found


def next_ordinal(trials: Sequence[FrozenTrial]) -> int:
    """The ordinal of the next trial that is begun."""
    return 1 + max(ordinals(trials).values(), default=-1)


def earlier_try(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """The trial that this one tries again, if it does: one of the study's `trials`."""
    number = TrialRecord.of(trial).retry_of
    return trials[number] if number is not None and number < trial.number else None


def lost_to_retry(trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """The first lost trial that has not been tried again."""
    lost = [trial for trial in trials if is_lost(trial)]
    retried = _retried(trials) if lost else set()
    return next((trial for trial in lost if trial.number not in retried), None)


def failed_to_retry(trials: Sequence[FrozenTrial], last: int) -> FrozenTrial | None:
    """The first failed trial, of ordinal `last` at most, that has not had its second chance."""
    return next(iter(all_failed_to_retry(trials, last)), None)


def all_failed_to_retry(trials: Sequence[FrozenTrial], last: int) -> list[FrozenTrial]:
    """The failed trials, of ordinal `last` at most, that have not had their second chance.

    One that has failed because its workers died has had it.
    """
    failed = [t for t in trials if t.state == TrialState.FAIL and not is_lost(t)]
    failed = [t for t in failed if TrialRecord.of(t).fail_reason != "deadly"]
    if not failed:  # as mostly: then the other trials need not be read
        return []
    known, retried = ordinals(trials), _retried(trials)
    failed = [t for t in failed if known[t.number] <= last and t.number not in retried]
    return [trial for trial in failed if not _failed_before(trial, trials)]


def _retried(trials: Sequence[FrozenTrial]) -> set[int]:
    """The numbers of the trials that a later one tries again."""
    earlier = (earlier_try(trial, trials) for trial in trials)
    return {trial.number for trial in earlier if trial is not None}


def _failed_before(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> bool:
    """Is this the second chance of a trial that failed (and was not merely lost)?"""
    earlier = earlier_try(trial, trials)
    if earlier is None:
        return False
    return not is_lost(earlier) or _failed_before(earlier, trials)


@dataclass(frozen=True)
class TrialCounts:
    """How many trials ended in which way; the four ways to end early are never mixed up."""

    completed: int = 0
    pruned: int = 0
    stuck: int = 0
    diverged: int = 0
    failed: int = 0
    lost: int = 0
    running: int = 0
    waiting: int = 0

    @property
    def finished(self) -> int:
        """What counts towards the number of trials that a search is to have."""
        return self.completed + self.pruned + self.stuck + self.diverged


def ending(trial: FrozenTrial) -> str:
    """One word for the state of a trial: a field name of `TrialCounts`.

    Optuna calls stuck and diverged trials pruned, too: the record's `stop_reason` tells them apart.
    """
    match trial.state:
        case TrialState.COMPLETE:
            return "completed"
        case TrialState.PRUNED:
            reason = TrialRecord.of(trial).stop_reason
            return reason if reason in ("stuck", "diverged") else "pruned"
        case TrialState.FAIL:
            return "lost" if is_lost(trial) else "failed"
        case TrialState.RUNNING:
            return "running"
        case TrialState.WAITING:
            return "waiting"


def failure(trial: FrozenTrial) -> str:
    """One line on why a trial failed."""
    return TrialRecord.of(trial).error or "no reason was recorded"


def count_trials(trials: Sequence[FrozenTrial]) -> TrialCounts:
    """Count the trials by how they ended."""
    endings = [ending(trial) for trial in trials]
    return TrialCounts(**{name: endings.count(name) for name in set(endings)})


def objective_value(trial: FrozenTrial) -> float | None:
    """The value that a completed trial is ranked by; None where it is not finite."""
    if trial.state != TrialState.COMPLETE or trial.value is None:
        return None
    return trial.value if math.isfinite(trial.value) else None


def best_trials(trials: Sequence[FrozenTrial], count: int) -> list[FrozenTrial]:
    """The completed trials of highest value, best first; the earlier one first among equals."""
    ranked = [(-value, t) for t in trials if (value := objective_value(t)) is not None]
    return [t for _, t in sorted(ranked, key=lambda pair: (pair[0], pair[1].number))[:count]]
