"""Decides what a worker does next in a search in budgets: claim a run, wait for others, or stop.

Runs are planned a generation at a time, as trials that wait for a worker: all of them in one
transaction, and only when those of all earlier generations have ended. So parameters and values do
not depend on how many workers there are, or who was faster, and a kill leaves no half generation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.algorithms import ExpectedGain, expected_gain
from search.execution.job import SearchJob
from search.execution.trial_queue import IdleReason, TrialQueue
from search.generations import (
    RACE_TIME_SHARE,
    UNTRIED,
    RunTimes,
    WarmStart,
    filled_in,
    has_finals,
    plan,
    race_is_over,
    race_reserve,
)
from search.storage import FIXED_PARAMS, storage_of, study_id, trial_id
from search.study import (
    PlannedRun,
    RunKey,
    TrialRecord,
    all_failed_to_retry,
    ended_runs,
    is_finished,
    key_of,
    next_ordinal,
)


class GenerationQueue(TrialQueue):
    """Claims the runs of a search in budgets for this process; the arguments are those of
    TrialQueue.

    Lost runs are tried again first, under their ordinals; then come those that wait, in the order
    in which they were planned or enqueued. Once all have ended, the next generation is planned.
    Those that are still waiting when `target` is reached are left for a search with more trials.

    With a time limit no run is begun that is not expected to end in time, and generations give way
    to the race when only the time that is kept for it is left. The short runs that still wait then
    are passed over, and left for a search that has more time.
    """

    def _too_small_gain(self, trials: Sequence[FrozenTrial], last: int) -> ExpectedGain | None:
        """What new configurations are expected to gain, if it is so little that the search ends.

        It does not end before its race.
        """
        gain = self._small_gain(trials, last)
        return gain if race_is_over(self._preset, ended_runs(trials)) else None

    def _small_gain(self, trials: Sequence[FrozenTrial], last: int) -> ExpectedGain | None:
        """What new configurations are expected to gain, if it is too little to try them."""
        if self._stop_when is None:
            return None
        gain = expected_gain(trials, last, self._preset.budgets[-1])
        return gain if gain is not None and gain.expected < self._stop_when else None

    def _sampler(self, ordinal: int) -> BaseSampler:
        """One that is never asked: a run has all of its parameters when it is claimed."""
        return RandomSampler(seed=ordinal)

    def _choose_new(
        self, trials: Sequence[FrozenTrial], others_run: bool
    ) -> FrozenTrial | IdleReason:
        """Plan the next generation, and choose its first run."""
        if others_run:
            return IdleReason.WAIT
        if self._should_stop(trials, next_ordinal(trials)):
            return IdleReason.STOPPED
        planned = self._next_generation(trials)
        for trial in planned:
            storage_of(self.study).create_new_trial(study_id(self.study), trial)
        waiting = [trial for trial in self._trials() if trial.state == TrialState.WAITING]
        if not waiting and (self._limit is None or self._is_exhausted(trials)):
            return IdleReason.EXHAUSTED
        return next(self._in_time(waiting), IdleReason.OUT_OF_TIME)

    def _is_exhausted(self, trials: Sequence[FrozenTrial]) -> bool:
        """Is nothing left to be run, however much time there is?"""
        one_more = (_generation(trials) + 1, next_ordinal(trials), 1, 1)
        return not plan(self._preset, self._seed, ended_runs(trials), *one_more)

    def _in_time(self, chosen: Sequence[FrozenTrial]) -> Iterator[FrozenTrial]:
        """Those of the chosen runs that are expected to end before the time is up.

        Those of less than the greatest budget have to end before the time that is kept for the
        race, while there is something to race.
        """
        if self._limit is None:
            return iter(chosen)
        trials, left, top = self._trials(), self._limit.left, self._preset.budgets[-1]
        times = self._times(trials)
        expected = [(one, times.expected(self._run_of(one))) for one in chosen if left > 0]
        fitting = [(one, seconds) for one, seconds in expected if seconds <= left]
        for_short = left - self._kept_for_race(times)
        found = [
            one
            for one, seconds in fitting
            if self._run_of(one).budget == top or seconds <= for_short
        ]
        if fitting and not found and not has_finals(self._preset, ended_runs(trials)):
            found = [one for one, _ in fitting]
        return iter(found)

    def _passes_over(self, chosen: Sequence[FrozenTrial]) -> bool:
        """Are there short ones among these, for which there is no time, as it is the race's?"""
        return any(self._run_of(one).budget < self._preset.budgets[-1] for one in chosen)

    def _run_of(self, trial: FrozenTrial) -> RunKey:
        """Which run a trial is, or becomes, if somebody has enqueued it."""
        return key_of(trial) or RunKey(UNTRIED, self._preset.budgets[0])

    def _kept_for_race(self, times: RunTimes) -> float:
        """The seconds that are kept for the race.

        None before any run has ended, and where no run of the greatest budget has completed and
        none can in time.
        """
        assert self._limit is not None
        top = self._preset.budgets[-1]
        in_full = times.expected_of_any(top)
        if in_full > self._limit.left and not times.are_known_of(top):
            return 0.0
        if not any(map(is_finished, self._trials())):
            return 0.0
        return RACE_TIME_SHARE * self._limit.seconds + in_full

    def _times(self, trials: Sequence[FrozenTrial]) -> RunTimes:
        """How long runs take, as far as is known."""
        assert self._limit is not None
        return RunTimes(trials, self._limit.began)

    def _next_generation(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Its trials, which are not in the database yet: second chances first."""
        ordinal, generation = next_ordinal(trials), _generation(trials) + 1
        remaining = self._target - sum(map(is_finished, trials))
        failed = [t for t in all_failed_to_retry(trials, ordinal) if key_of(t) is not None]
        planned = [
            _second_chance(trial, ordinal + place, generation)
            for place, trial in enumerate(failed[:remaining])
        ]
        ordinal, remaining = ordinal + len(planned), remaining - len(planned)
        if remaining > 0:
            more = self._planned(trials, generation, ordinal, remaining)
            planned += [_trial(run, ordinal + n, generation) for n, run in enumerate(more)]
        return planned

    def _planned(
        self, trials: Sequence[FrozenTrial], generation: int, ordinal: int, remaining: int
    ) -> list[PlannedRun]:
        """What is planned, of that what there is time for.

        Generations end before the time that is kept for the race; once nothing fits into the time
        before that, the race begins.
        """

        def planned(remaining: int, reserve: int) -> list[PlannedRun]:
            place = (generation, ordinal, remaining, reserve)
            return plan(self._preset, self._seed, runs, *place, known_before)

        warm_start = WarmStart.of(self.study)
        known_before = warm_start.configurations if warm_start is not None else ()
        runs, reserve = ended_runs(trials), race_reserve(self._target)
        if self._small_gain(trials, ordinal) is not None:
            reserve = remaining
        if self._limit is None:
            return planned(remaining, reserve)
        times, left, top = self._times(trials), self._limit.left, self._preset.budgets[-1]
        explored = times.fitting(planned(remaining, reserve), left - self._kept_for_race(times))
        if explored:
            return explored
        in_full = min(remaining, max(1, times.number_in(left, top)))
        return times.fitting(planned(in_full, in_full), left)

    def _begin(self, chosen: FrozenTrial, ordinal: int) -> int:
        if key_of(chosen) is None:
            self._adopt(chosen, ordinal)
        return super()._begin(chosen, ordinal)

    def _adopt(self, enqueued: FrozenTrial, ordinal: int) -> None:
        """Make a trial that somebody has enqueued a new configuration, at the smallest budget."""
        storage, key = storage_of(self.study), trial_id(enqueued)
        generation = max(0, _generation(self._trials()))
        smallest = self._preset.budgets[0]
        record = TrialRecord.of_plan(ordinal, ordinal, smallest, 0, generation, "new")
        for name, value in record.attributes.items():
            storage.set_trial_user_attr(key, name, value)
        given = enqueued.system_attrs.get(FIXED_PARAMS) or {}
        with suppress(ValueError, TypeError):  # the trial itself will fail, and say why
            params = filled_in(self._preset, self._seed, ordinal, given)
            storage.set_trial_system_attr(key, FIXED_PARAMS, params)


def make_queue(job: SearchJob, study: Study) -> TrialQueue:
    """The queue from which a worker of the job's study claims trials."""
    made = TrialQueue if job.preset.search is None else GenerationQueue
    return made(study, job.preset, job.trials, job.parent, job.stop_when, job.limit)


def _generation(trials: Sequence[FrozenTrial]) -> int:
    """The latest generation that was planned; -1 if none was."""
    found = (TrialRecord.of(trial).generation for trial in trials)
    return max((number for number in found if number is not None), default=-1)


def _trial(run: PlannedRun, ordinal: int, generation: int) -> FrozenTrial:
    """The trial of a planned run, which waits for a worker.

    A new configuration is named by the ordinal that it really has: runs that were planned before it
    may have been left out.
    """
    key = run.key._replace(configuration=ordinal) if run.role == "new" else run.key
    record = TrialRecord.of_plan(ordinal, *key, generation, run.role, run.arm)
    return _waiting(record.attributes, {**run.system_attrs, FIXED_PARAMS: dict(run.params)})


def _second_chance(failed: FrozenTrial, ordinal: int, generation: int) -> FrozenTrial:
    """The second try of a trial that has failed, with the same seed and parameters."""
    before = TrialRecord.of(failed)
    record = TrialRecord.of_claim(ordinal, None, before.arm, failed.number)
    planned = {**record.attributes, **before.planned, "generation": generation}
    return _waiting(planned, failed.system_attrs)


def _waiting(user_attrs: Mapping[str, Any], system_attrs: Mapping[str, Any]) -> FrozenTrial:
    return create_trial(
        state=TrialState.WAITING, user_attrs=dict(user_attrs), system_attrs=dict(system_attrs)
    )
