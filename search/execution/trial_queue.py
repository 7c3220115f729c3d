"""Decides what a worker does next: claim a trial, wait for other workers, or stop.

A lock lets only one worker decide at a time. Lost trials are tried again before new ones begin, and
no more trials begin than the search still needs, so that the study ends with exactly the number of
trials that was asked for, however many workers there are.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import Any

from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from search.algorithms import STOPPED, ExpectedGain, expected_gain, make_sampler
from search.execution.time_limit import TimeLimit
from search.presets import Arm, Preset, grid_size, stored_params
from search.storage import (
    FIXED_PARAMS,
    GRID_ID,
    RUNG_PREFIX,
    backend,
    storage_of,
    study_id,
    study_lock,
    transaction,
    trial_id,
)
from search.study import (
    HeartbeatListener,
    TrialRecord,
    fail_lost_trials,
    failed_to_retry,
    is_finished,
    is_lost,
    lost_to_retry,
    next_ordinal,
    ordinals,
    this_process,
)

ANY_NUMBER = sys.maxsize
"""More trials than any search has."""


class IdleReason(Enum):
    """Why there is no trial to run: for now (WAIT), or for good (all others)."""

    WAIT = "others are at work on all that is needed now"
    DONE = "the study has enough finished trials"
    EXHAUSTED = "every point of the grid has been tried"
    STOPPED = "the next trials are not expected to improve enough"
    OUT_OF_TIME = "no trial that is left is expected to end in time"

    @property
    def why_early(self) -> str | None:
        """Why the search ends with fewer trials than were wanted, if it does."""
        return self.value if self in (IdleReason.EXHAUSTED, IdleReason.OUT_OF_TIME) else None


class TrialQueue:
    """Claims trials of a study for this process, until `target` trials have finished.

    `search.execution.generation_queue` has that of a search in budgets.

    Args:
        study: The study.
        preset: The model, the training, the search space and the sampler.
        target: How many finished trials the study shall have in the end; None for any number.
        pool: The id of the process that started this worker and others, if there is one. It notices
            by itself when one of its workers dies.
        stop_when: No new trial begins once the next trials are expected to improve the best value
            by less than this (`search.algorithms.terminator`). The study's user attribute STOPPED
            then tells this to all workers that have the same `stop_when`.
        limit: When the search ends, whatever it has come to; None for never.
    """

    def __init__(
        self,
        study: Study,
        preset: Preset,
        target: int | None,
        pool: int | None = None,
        stop_when: float | None = None,
        limit: TimeLimit | None = None,
    ) -> None:
        self.study, self._preset, self._limit = study, preset, limit
        self._target = target if target is not None else ANY_NUMBER
        self._pool, self._stop_when = pool, stop_when
        known = study.user_attrs
        self._seed, self._was_stopped = int(known["seed"]), known.get(STOPPED) is not None
        self._listener = HeartbeatListener(study)

    def next(self) -> Trial | IdleReason:
        """Claim a trial and set the study's sampler for it, or return why there is none.

        The claimed trial is in the state RUNNING and belongs to this process until it ends, or
        until another worker declares it lost.
        """
        with study_lock(self.study):
            trials, stale = self._trials(), self._listener.stale()
            if fail_lost_trials(self.study, trials, "killed", stale, self._pool):
                trials = self._trials()
            chosen = self._choose(trials)
            if isinstance(chosen, IdleReason):
                return chosen
            recorded = TrialRecord.of(chosen).ordinal
            ordinal = next_ordinal(trials) if recorded is None else recorded
            key = self._begin(chosen, ordinal)
        self.study.sampler = self._sampler(ordinal)
        with transaction(self.study):  # so that the sampler reads the study as it is at one moment
            return Trial(self.study, key)

    def idle(self) -> IdleReason | None:
        """Why there is no trial to run; None if there is one, which is not claimed.

        It decides as `next` does, so a generation that is due is planned.
        """
        if self._was_stopped:  # asking again would decide it anew
            return IdleReason.STOPPED
        with study_lock(self.study):
            chosen = self._choose(self._trials())
        return chosen if isinstance(chosen, IdleReason) else None

    def _sampler(self, ordinal: int) -> BaseSampler:
        """The sampler of the trial with this ordinal."""
        return make_sampler(self._preset, self._seed, ordinal)

    def _trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def _choose(self, trials: Sequence[FrozenTrial]) -> FrozenTrial | IdleReason:
        finished = sum(is_finished(trial) for trial in trials)
        running = sum(trial.state == TrialState.RUNNING for trial in trials)
        lost = lost_to_retry(trials)
        waiting = [trial for trial in trials if trial.state == TrialState.WAITING]
        if finished >= self._target:
            return IdleReason.DONE
        enough = finished + running >= self._target
        left_over = [self._retry(lost, next_ordinal(trials))] if lost is not None else []
        left_over += [] if enough else waiting
        in_time = next(self._in_time(left_over), None)
        if in_time is not None:
            return in_time
        if left_over and not self._passes_over(left_over):
            return IdleReason.OUT_OF_TIME
        if enough:
            return IdleReason.WAIT
        if self._limit is not None and self._limit.left <= 0:
            return IdleReason.OUT_OF_TIME
        return self._choose_new(trials, running > 0)

    def _in_time(self, chosen: Sequence[FrozenTrial]) -> Iterator[FrozenTrial]:
        """Those of the chosen trials that may be begun now: all, until the time is up."""
        return iter(chosen if self._limit is None or self._limit.left > 0 else ())

    def _passes_over(self, chosen: Sequence[FrozenTrial]) -> bool:  # noqa: ARG002
        """May others be begun, although there is no time for these?"""
        return False

    def _choose_new(
        self, trials: Sequence[FrozenTrial], others_run: bool
    ) -> FrozenTrial | IdleReason:
        """What to begin where nothing is left over: nothing was lost, and nothing waits."""
        ordinal, lag = next_ordinal(trials), self._preset.workers.lag
        settled = ordinal - lag if lag is not None else ordinal
        if lag is not None and _any_runs(trials, settled):
            return IdleReason.WAIT
        arm = self._untried_arm(trials)
        if arm is None and self._should_stop(trials, settled):
            return IdleReason.STOPPED
        failed = failed_to_retry(trials, settled)
        if failed is not None:
            return self._retry(failed, ordinal)
        if arm is not None:
            return _new(ordinal, {FIXED_PARAMS: stored_params(arm.params)}, {}, arm.name)
        if self._preset.sampler.name != "grid":
            return _new(ordinal, {})
        point = 1 + max(map(_grid_point, trials), default=-1)
        if point < grid_size(self._preset):
            return _new(ordinal, {GRID_ID: point})
        if others_run:
            return IdleReason.WAIT
        failed = failed_to_retry(trials, ordinal)
        return self._retry(failed, ordinal) if failed is not None else IdleReason.EXHAUSTED

    def _should_stop(self, trials: Sequence[FrozenTrial], last: int) -> bool:
        """Should no new trial begin, because too little improvement is expected?

        This is decided from the trials whose ordinals are at most `last`, unless a worker with the
        same `stop_when` has already decided it.
        """
        if self._stop_when is not None:
            decided = self.study.user_attrs.get(STOPPED)
            if decided is not None and decided["below"] == self._stop_when:
                return True
            gain = self._too_small_gain(trials, last)
            if gain is not None:
                self.study.set_user_attr(STOPPED, gain._asdict() | {"below": self._stop_when})
                return True
        if self._was_stopped:
            self.study.set_user_attr(STOPPED, None)
            self._was_stopped = False
        return False

    def _too_small_gain(self, trials: Sequence[FrozenTrial], last: int) -> ExpectedGain | None:
        """What the next trials are expected to gain, if it is so little that the search ends."""
        gain = expected_gain(trials, last)
        small = gain is not None and self._stop_when is not None and gain.expected < self._stop_when
        return gain if small else None

    def _retry(self, ended: FrozenTrial, ordinal: int) -> FrozenTrial:
        """The second try of a trial: a lost one keeps its ordinal, a failed one gets `ordinal`.

        It starts with all parameters of the first try and with what the sampler stored. A trial
        that was lost before all of its parameters had been sampled keeps only those that were fixed
        beforehand: the sampler will propose the others again.
        """
        record = TrialRecord.of(ended)
        if is_lost(ended) and record.ordinal is not None:
            ordinal = record.ordinal
        system_attrs = {
            k: v for k, v in ended.system_attrs.items() if not k.startswith(RUNG_PREFIX)
        }
        if record.planned:  # with all of its parameters
            return _new(ordinal, system_attrs, record.planned, record.arm, ended.number)
        if set(ended.params) < set(self._preset.space.dimensions()):
            system_attrs = {k: v for k, v in system_attrs.items() if k in (FIXED_PARAMS, GRID_ID)}
        else:
            system_attrs[FIXED_PARAMS] = ended.params
        return _new(ordinal, system_attrs, {}, record.arm, ended.number)

    def _untried_arm(self, trials: Sequence[FrozenTrial]) -> Arm | None:
        tried = {TrialRecord.of(trial).arm for trial in trials if not is_lost(trial)}
        return next((arm for arm in self._preset.arms if arm.name not in tried), None)

    def _begin(self, chosen: FrozenTrial, ordinal: int) -> int:
        """Mark the trial as running in this process, and create it if it is new; return its id."""
        storage = storage_of(self.study)
        if chosen.number < 0:
            key = storage.create_new_trial(study_id(self.study), chosen)
        else:  # the user, or another program, has enqueued it
            key = trial_id(chosen)
            for name, value in TrialRecord.of_claim(ordinal, this_process()).attributes.items():
                storage.set_trial_user_attr(key, name, value)
            storage.set_trial_state_values(key, TrialState.RUNNING)
        backend(self.study).record_heartbeat(key)
        return key


def _new(
    ordinal: int,
    system_attrs: dict[str, Any],
    planned: Mapping[str, Any] = MappingProxyType({}),
    arm: str | None = None,
    retry_of: int | None = None,
) -> FrozenTrial:
    """A trial that this process claims, and that is not in the database yet."""
    record = TrialRecord.of_claim(ordinal, this_process(), arm, retry_of)
    attributes = {**record.attributes, **planned}
    return create_trial(state=TrialState.RUNNING, user_attrs=attributes, system_attrs=system_attrs)


def _grid_point(trial: FrozenTrial) -> int:
    """The index of the trial's point in the grid; -1 if it has none."""
    point = trial.system_attrs.get(GRID_ID)
    return point if isinstance(point, int) else -1


def _any_runs(trials: Sequence[FrozenTrial], last: int) -> bool:
    """Does a trial whose ordinal is at most `last` still run?"""
    known = ordinals(trials).items()
    return any(ordinal <= last and not trials[n].state.is_finished() for n, ordinal in known)
