"""What a worker does next: claim a trial, wait for others, or stop. One worker decides at a time.

A claim takes over what was lost before it begins anything new, and begins no more trials than
TRIALS still needs; so TRIALS is met exactly with any number of workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from search.algorithms.samplers import make_sampler
from search.algorithms.terminator import STOPPED, expected_gain
from search.presets.preset import Preset
from search.presets.search_space import grid_size, stored_params
from search.presets.sections import Arm
from search.storage.optuna_internals import (
    FIXED_PARAMS,
    GRID_ID,
    RUNG_PREFIX,
    storage_of,
    study_id,
    trial_id,
)
from search.storage.rdb import backend
from search.storage.transactions import study_lock, transaction
from search.study.heartbeats import HeartbeatListener
from search.study.lost_trials import fail_lost_trials
from search.study.process_identity import WORKER, this_process
from search.study.trials import (
    ARM,
    KILLED,
    ORDINAL,
    RETRY_OF,
    failed_to_retry,
    is_finished,
    is_lost,
    lost_to_retry,
    ordinals,
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
    so to all that have the same `stop_when`. `pool` is the process that started this one beside
    others, and tells how they end.
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
        """Claim a trial, with its sampler in place, or say why there is none.

        The trial runs then; it is this process's until it ends or loses it to another.
        """
        with study_lock(self.study):
            trials, silent = self._trials(), self._listener.silent()
            if fail_lost_trials(self.study, trials, KILLED, silent, self._pool):
                trials = self._trials()
            chosen = self._choose(trials)
            if isinstance(chosen, IdleReason):
                return chosen
            place = chosen.user_attrs.get(ORDINAL, _next_place(trials))
            key = self._begin(chosen, place)
        self.study.sampler = make_sampler(self._preset, self._seed, place)
        with transaction(self.study):  # the sampler looks at the study while others claim
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
            return self._again(lost, _next_place(trials))
        if finished + running >= self._target:
            return IdleReason.WAIT
        return waiting if waiting is not None else self._choose_new(trials, running > 0)

    def _choose_new(
        self, trials: Sequence[FrozenTrial], others_run: bool
    ) -> FrozenTrial | IdleReason:
        place, lag = _next_place(trials), self._preset.workers.lag
        settled = place - lag if lag is not None else place
        if lag is not None and _runs_until(trials, settled):
            return IdleReason.WAIT
        arm = self._untried_arm(trials)
        if arm is None and self._stops(trials, settled):
            return IdleReason.STOPPED
        failed = failed_to_retry(trials, settled)
        if failed is not None:
            return self._again(failed, place)
        if arm is not None:
            return _new({ARM: arm.name, ORDINAL: place}, {FIXED_PARAMS: stored_params(arm.params)})
        if self._preset.sampler.name != "grid":
            return _new({ORDINAL: place}, {})
        point = 1 + max((t.system_attrs.get(GRID_ID, -1) for t in trials), default=-1)
        if point < grid_size(self._preset):
            return _new({ORDINAL: place}, {GRID_ID: point})
        if others_run:
            return IdleReason.WAIT
        failed = failed_to_retry(trials, place)
        return self._again(failed, place) if failed is not None else IdleReason.EXHAUSTED

    def _stops(self, trials: Sequence[FrozenTrial], last: int) -> bool:
        """Is nothing new to be begun? Trials of ordinals up to `last` say so, or another worker
        that was asked the same."""
        if self._stop_when is not None:
            before = self.study.user_attrs.get(STOPPED)
            if before is not None and before["below"] == self._stop_when:
                return True
            seen = expected_gain(trials, last)
            if seen is not None and seen.expected < self._stop_when:
                self.study.set_user_attr(STOPPED, seen._asdict() | {"below": self._stop_when})
                return True
        if self._was_stopped:
            self.study.set_user_attr(STOPPED, None)
            self._was_stopped = False
        return False

    def _again(self, ended: FrozenTrial, place: int) -> FrozenTrial:
        """The second try of a trial: with its ordinal if it was lost, as a new one if it failed.

        It begins with all of its parameters and what the sampler noted; if it was lost while it
        was sampled, only with what was fixed before: the sampler proposes the same again.
        """
        kept = {key: ended.user_attrs[key] for key in (ARM,) if key in ended.user_attrs}
        if is_lost(ended):
            place = ended.user_attrs.get(ORDINAL, place)
        noted = {k: v for k, v in ended.system_attrs.items() if not k.startswith(RUNG_PREFIX)}
        if set(ended.params) < set(self._preset.space.dimensions()):
            noted = {k: v for k, v in noted.items() if k in (FIXED_PARAMS, GRID_ID)}
        else:
            noted[FIXED_PARAMS] = ended.params
        return _new(kept | {ORDINAL: place, RETRY_OF: ended.number}, noted)

    def _untried_arm(self, trials: Sequence[FrozenTrial]) -> Arm | None:
        tried = {trial.user_attrs.get(ARM) for trial in trials if not is_lost(trial)}
        return next((arm for arm in self._preset.arms if arm.name not in tried), None)

    def _begin(self, chosen: FrozenTrial, place: int) -> int:
        """Let a trial run in this process's name."""
        storage = storage_of(self.study)
        if chosen.number < 0:
            key = storage.create_new_trial(study_id(self.study), chosen)
        else:  # somebody else's, put into the queue by hand
            key = trial_id(chosen)
            storage.set_trial_user_attr(key, WORKER, this_process())
            storage.set_trial_user_attr(key, ORDINAL, place)
            storage.set_trial_state_values(key, TrialState.RUNNING)
        backend(self.study).record_heartbeat(key)
        return key


def _new(user_attrs: dict[str, Any], system_attrs: dict[str, Any]) -> FrozenTrial:
    user_attrs |= {WORKER: this_process()}
    return create_trial(state=TrialState.RUNNING, user_attrs=user_attrs, system_attrs=system_attrs)


def _next_place(trials: Sequence[FrozenTrial]) -> int:
    return 1 + max(ordinals(trials).values(), default=-1)


def _runs_until(trials: Sequence[FrozenTrial], last: int) -> bool:
    """Does any trial of ordinal `last` or below still run?"""
    places = ordinals(trials).items()
    return any(place <= last and not trials[n].state.is_finished() for n, place in places)
