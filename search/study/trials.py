"""What a study's trials are: finished, failed or lost, and which ordinal each one has.

A trial is *lost* when its process was killed, interrupted or not heard of any more: Optuna calls
it failed, but nothing was wrong with it, and it is tried again. Lost trials use up numbers; so
whatever has to be the same in a study that was interrupted and in one that was not (seeds,
brackets, grid points) goes by a trial's *ordinal*, which a second try of a lost trial takes over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

FAIL_REASON = "fail_reason"
RETRY_OF = "retry_of"
ARM = "arm"
ORDINAL = "ordinal"
ERROR = "error"
# Why a trial has failed, in Optuna's words. Of the first two it is lost, not at fault.
KILLED, INTERRUPTED = "killed", "interrupted"
RAISED, DEADLY = "exception", "deadly"


def is_lost(trial: FrozenTrial) -> bool:
    """Was the trial ended by a kill or an interrupt, not by a fault of its own?"""
    failed = trial.state == TrialState.FAIL
    return failed and trial.user_attrs.get(FAIL_REASON) in (KILLED, INTERRUPTED)


def is_finished(trial: FrozenTrial) -> bool:
    """Does the trial count towards TRIALS? Completed and pruned ones do, stuck ones among them."""
    return trial.state in (TrialState.COMPLETE, TrialState.PRUNED)


def ordinals(trials: Sequence[FrozenTrial]) -> dict[int, int]:
    """The ordinal of each trial that was not lost, by its number, in the order of numbers.

    Trials that do not name theirs count on from the highest so far; those that wait have none.
    """
    places: dict[int, int] = {}
    for trial in trials:
        if is_lost(trial):
            continue
        if ORDINAL in trial.user_attrs:
            places[trial.number] = trial.user_attrs[ORDINAL]
        elif trial.state != TrialState.WAITING:
            places[trial.number] = 1 + max(places.values(), default=-1)
    return places


def lost_to_retry(trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """The first lost trial that has not been tried again."""
    retried = {trial.user_attrs.get(RETRY_OF) for trial in trials}
    return next((t for t in trials if is_lost(t) and t.number not in retried), None)


def failed_to_retry(trials: Sequence[FrozenTrial], last: int) -> FrozenTrial | None:
    """The first failed trial, of ordinal `last` at most, that has not had its second chance.

    One that has failed because its workers died has had it.
    """
    retried = {trial.user_attrs.get(RETRY_OF) for trial in trials}
    ended = [trials[number] for number, place in ordinals(trials).items() if place <= last]
    failed = [t for t in ended if t.state == TrialState.FAIL and t.number not in retried]
    failed = [t for t in failed if t.user_attrs.get(FAIL_REASON) != DEADLY]
    return next((trial for trial in failed if not _failed_before(trial, trials)), None)


def _failed_before(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> bool:
    """Is this the second chance of a trial that failed (and was not merely lost)?"""
    earlier = trial.user_attrs.get(RETRY_OF)
    if earlier is None:
        return False
    return not is_lost(trials[earlier]) or _failed_before(trials[earlier], trials)


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
        """What counts towards TRIALS."""
        return self.completed + self.pruned + self.stuck + self.diverged


def ending(trial: FrozenTrial) -> str:
    """One word for the state of a trial: a field name of `TrialCounts`."""
    if trial.state == TrialState.PRUNED:
        reason = trial.user_attrs.get("stop_reason")
        return reason if reason in ("stuck", "diverged") else "pruned"
    if trial.state == TrialState.FAIL:
        return "lost" if is_lost(trial) else "failed"
    states = {TrialState.COMPLETE: "completed", TrialState.RUNNING: "running"}
    return states.get(trial.state, "waiting")


def count_trials(trials: Sequence[FrozenTrial]) -> TrialCounts:
    """Count the trials by how they ended."""
    endings = [ending(trial) for trial in trials]
    return TrialCounts(**{name: endings.count(name) for name in set(endings)})


def best_trials(trials: Sequence[FrozenTrial], count: int) -> list[FrozenTrial]:
    """The completed trials of highest value, best first; the earlier one first among equals."""
    completed = [t for t in trials if t.state == TrialState.COMPLETE and t.value is not None]
    return sorted(completed, key=lambda t: (-(t.value or 0.0), t.number))[:count]
