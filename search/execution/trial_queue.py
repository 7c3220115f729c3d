"""What a worker does next: claim a trial, wait for others, or stop. One worker decides at a time.

A claim takes over what was lost before it begins anything new, and begins no more trials than
the search still needs; so their number is met exactly, however many workers there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from search.algorithms import STOPPED, expected_gain, make_sampler
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


class IdleReason(Enum):
    """There is no trial to run: for now, or for good."""

    WAIT = "others are at work on all that is needed now"
    DONE = "the study has enough finished trials"
    EXHAUSTED = "every point of the grid has been tried"
    STOPPED = "the next trials are not expected to improve enough"


class TrialQueue:
    """Claims trials of a study for this process, until `target` have finished.

    With `stop_when` nothing new is begun any more once the next trials are expected to improve the
    best by less than that (`search.algorithms.terminator`); the study's attribute STOPPED then says
    so to all workers that have the same `stop_when`. `pool` is the id of the process that started
    this worker and others, if one did: it notices how they end.
    """

    def __init__(
        self,
        study: Study,
        preset: Preset,
        target: int,
        pool: int | None = None,
        stop_when: float | None = None,
    ) -> None:
        self.study, self._preset = study, preset
        self._target, self._pool, self._stop_when = target, pool, stop_when
        known = study.user_attrs
        self._seed, self._was_stopped = int(known["seed"]), known.get(STOPPED) is not None
        self._listener = HeartbeatListener(study)

    def next(self) -> Trial | IdleReason:
        """Claim a trial and give the study the trial's sampler, or return why there is none.

        The trial runs from then on, and belongs to this process until it ends, or until another
        takes it for lost.
        """
        with study_lock(self.study):
            trials, stale = self._trials(), self._listener.stale()
            if fail_lost_trials(self.study, trials, "killed", stale, self._pool):
                trials = self._trials()
            chosen = self._choose(trials)
            if isinstance(chosen, IdleReason):
                return chosen
            named = TrialRecord.of(chosen).ordinal
            ordinal = next_ordinal(trials) if named is None else named
            key = self._begin(chosen, ordinal)
        self.study.sampler = make_sampler(self._preset, self._seed, ordinal)
        with transaction(self.study):  # the sampler reads the study while others claim
            return Trial(self.study, key)

    def _trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def _choose(self, trials: Sequence[FrozenTrial]) -> FrozenTrial | IdleReason:
        finished = sum(is_finished(trial) for trial in trials)
        running = sum(trial.state == TrialState.RUNNING for trial in trials)
        lost = lost_to_retry(trials)
        waiting = next((trial for trial in trials if trial.state == TrialState.WAITING), None)
        if finished >= self._target:
            return IdleReason.DONE
        if lost is not None:
            return self._again(lost, next_ordinal(trials))
        if finished + running >= self._target:
            return IdleReason.WAIT
        return waiting if waiting is not None else self._choose_new(trials, running > 0)

    def _choose_new(
        self, trials: Sequence[FrozenTrial], others_run: bool
    ) -> FrozenTrial | IdleReason:
        ordinal, lag = next_ordinal(trials), self._preset.workers.lag
        settled = ordinal - lag if lag is not None else ordinal
        if lag is not None and _any_runs(trials, settled):
            return IdleReason.WAIT
        arm = self._untried_arm(trials)
        if arm is None and self._stops(trials, settled):
            return IdleReason.STOPPED
        failed = failed_to_retry(trials, settled)
        if failed is not None:
            return self._again(failed, ordinal)
        if arm is not None:
            return _new(ordinal, {FIXED_PARAMS: stored_params(arm.params)}, arm=arm.name)
        if self._preset.sampler.name != "grid":
            return _new(ordinal, {})
        point = 1 + max(map(_grid_point, trials), default=-1)
        if point < grid_size(self._preset):
            return _new(ordinal, {GRID_ID: point})
        if others_run:
            return IdleReason.WAIT
        failed = failed_to_retry(trials, ordinal)
        return self._again(failed, ordinal) if failed is not None else IdleReason.EXHAUSTED

    def _stops(self, trials: Sequence[FrozenTrial], last: int) -> bool:
        """Is nothing new to be begun, because too little is expected of it?

        Decided from the trials of ordinals up to `last`, or by another worker with the same
        `stop_when` before.
        """
        if self._stop_when is not None:
            before = self.study.user_attrs.get(STOPPED)
            if before is not None and before["below"] == self._stop_when:
                return True
            gain = expected_gain(trials, last)
            if gain is not None and gain.expected < self._stop_when:
                self.study.set_user_attr(STOPPED, gain._asdict() | {"below": self._stop_when})
                return True
        if self._was_stopped:
            self.study.set_user_attr(STOPPED, None)
            self._was_stopped = False
        return False

    def _again(self, ended: FrozenTrial, ordinal: int) -> FrozenTrial:
        """The second try of a trial: with its own ordinal if it was lost, else with `ordinal`.

        It begins with all of its parameters and what the sampler noted; if it was lost while it
        was sampled, only with what was fixed before: the sampler proposes the same again.
        """
        record = TrialRecord.of(ended)
        if is_lost(ended) and record.ordinal is not None:
            ordinal = record.ordinal
        noted = {k: v for k, v in ended.system_attrs.items() if not k.startswith(RUNG_PREFIX)}
        if set(ended.params) < set(self._preset.space.dimensions()):
            noted = {k: v for k, v in noted.items() if k in (FIXED_PARAMS, GRID_ID)}
        else:
            noted[FIXED_PARAMS] = ended.params
        return _new(ordinal, noted, arm=record.arm, retry_of=ended.number)

    def _untried_arm(self, trials: Sequence[FrozenTrial]) -> Arm | None:
        tried = {TrialRecord.of(trial).arm for trial in trials if not is_lost(trial)}
        return next((arm for arm in self._preset.arms if arm.name not in tried), None)

    def _begin(self, chosen: FrozenTrial, ordinal: int) -> int:
        """Let a trial run as this process's own; return its id."""
        storage = storage_of(self.study)
        if chosen.number < 0:
            key = storage.create_new_trial(study_id(self.study), chosen)
        else:  # somebody has enqueued it
            key = trial_id(chosen)
            for name, value in TrialRecord.of_claim(ordinal, this_process()).attributes.items():
                storage.set_trial_user_attr(key, name, value)
            storage.set_trial_state_values(key, TrialState.RUNNING)
        backend(self.study).record_heartbeat(key)
        return key


def _new(
    ordinal: int,
    system_attrs: dict[str, Any],
    arm: str | None = None,
    retry_of: int | None = None,
) -> FrozenTrial:
    """A trial that this process claims and that is not in the database yet."""
    record = TrialRecord.of_claim(ordinal, this_process(), arm, retry_of)
    return create_trial(
        state=TrialState.RUNNING, user_attrs=dict(record.attributes), system_attrs=system_attrs
    )


def _grid_point(trial: FrozenTrial) -> int:
    """The number of the trial's point of the grid; -1 where it has none."""
    point = trial.system_attrs.get(GRID_ID)
    return point if isinstance(point, int) else -1


def _any_runs(trials: Sequence[FrozenTrial], last: int) -> bool:
    """Does any trial of ordinal `last` or below still run?"""
    known = ordinals(trials).items()
    return any(ordinal <= last and not trials[n].state.is_finished() for n, ordinal in known)
