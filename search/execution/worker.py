"""One worker: claims trials, trains them and records how they ended, until none are left.

It has as many trials in flight as its engine has slots. Each of them is a generator, and the worker
resumes one after the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from fmnist_model.training import Engine, Latency, LatencyEngine, as_parallel
from fmnist_model.utils import Remedy, UserError
from search.algorithms import make_sampler
from search.console import Progress
from search.execution.engines import EngineLoader
from search.execution.generation_queue import make_queue
from search.execution.job import SearchJob, SearchStoppedError
from search.execution.kept_weights import kept_weights
from search.execution.objective import Interrupted, Objective, Outcome
from search.execution.trial_queue import IdleReason, TrialQueue
from search.presets import Preset
from search.storage import backend, lock_trial, transaction, trial_id
from search.study import TrialRecord, ending, failure, is_lost, sending_heartbeats

MAX_FAILURES = 3
"""The search ends after this many failed trials in a row."""
POLL_SECONDS, LONGEST_POLL_SECONDS = 0.2, 2.0
"""How long a worker that waits for others sleeps before it asks the queue again: at first, and at
most. Each time takes the study's lock, which many workers may be waiting for."""
CLAIM_RETRY_SECONDS = 5.0
"""How long a worker with trials in flight waits, unless one of them ends, until it asks again."""


InFlight = Generator[None, None, None]
"""A trial in flight: each `next` trains a little of it."""


def _latency(engine: Engine, preset: Preset) -> Callable[[], Latency] | None:
    """What measures the latency that the preset asks for; None where it does not.

    Raises UserError if the engine cannot.
    """
    if preset.objective is None or not preset.objective.needs("latency_ms"):
        return None
    if not isinstance(engine, LatencyEngine):
        raise UserError("the preset needs latency_ms, which this engine does not measure")
    return engine.latency


class Worker:
    """Runs trials of a study in this process, one after the other or several in turn."""

    def __init__(
        self,
        job: SearchJob,
        study: Study,
        progress: Progress,
        interrupted: Callable[[], bool],
    ) -> None:
        self._job, self._study = job, study
        self._progress, self._interrupted = progress, interrupted
        self._failures, self._weights = 0, kept_weights(job)
        self._next_claim = 0.0

    def run(self, load: EngineLoader) -> None:
        """Run trials until the study has enough.

        Raises Interrupted after Ctrl-C or SIGTERM, and SearchStoppedError after MAX_FAILURES failed
        trials in a row.
        """
        job, progress = self._job, self._progress
        seed = int(self._study.user_attrs["seed"])
        make_sampler(job.preset, seed, 0)  # raises for a missing package before data is loaded
        loaded = load(job, self._study, progress)
        engine, latency = as_parallel(loaded), _latency(loaded, job.preset)
        shown = (progress.start, progress.epoch, self._interrupted)
        objective = Objective(job.preset, seed, engine, *shown, self._weights, latency)
        queue = make_queue(job, self._study)
        progress.begin(self._study, job.trials, engine.slots, job.deadline)
        in_flight: list[InFlight] = []
        pause = POLL_SECONDS
        try:
            while True:
                idle = self._fill(in_flight, engine.slots, queue, objective)
                pause = min(1.25 * pause, LONGEST_POLL_SECONDS) if idle else POLL_SECONDS
                if in_flight:
                    self._resume_all(in_flight)
                    engine.advance()
                elif idle is IdleReason.WAIT:
                    time.sleep(pause)
                elif idle is not None:
                    progress.ended_early(idle.why_early)
                    return
        finally:
            for trial_run in in_flight:
                trial_run.close()

    def _fill(
        self, in_flight: list[InFlight], slots: int, queue: TrialQueue, objective: Objective
    ) -> IdleReason | None:
        """Claim trials for the free slots; return the reason if there are fewer trials than
        slots."""
        self._raise_if_interrupted()
        if in_flight and time.monotonic() < self._next_claim:
            return None
        while len(in_flight) < slots:
            self._raise_if_interrupted()
            claimed = queue.next()
            if isinstance(claimed, IdleReason):
                self._next_claim = time.monotonic() + CLAIM_RETRY_SECONDS
                return claimed
            trial_run = self._run_trial(objective, claimed)
            if self._resume(trial_run):
                in_flight.append(trial_run)
        return None

    def _raise_if_interrupted(self) -> None:
        if self._interrupted():
            raise Interrupted

    def _resume_all(self, in_flight: list[InFlight]) -> None:
        for trial_run in list(in_flight):
            if not self._resume(trial_run):
                in_flight.remove(trial_run)

    def _resume(self, trial_run: InFlight) -> bool:
        """Resume a trial; return whether it is still in flight afterwards."""
        try:
            next(trial_run)
        except StopIteration:
            self._next_claim = 0.0
            return False
        return True

    def _run_trial(self, objective: Objective, trial: Trial) -> InFlight:
        try:
            with sending_heartbeats(trial, self._job.preset.workers.heartbeat):
                outcome = yield from objective(trial)
        except UpdateFinishedTrialError:
            outcome = Outcome(TrialState.FAIL)  # another worker has written how it ended
        except (KeyboardInterrupt, GeneratorExit, StorageInternalError):
            with suppress(StorageInternalError):
                interrupted = TrialRecord.of_failure("interrupted")
                self._end(trial, Outcome(TrialState.FAIL, None, interrupted))
            raise
        self._end(trial, outcome)
        trials = self._study.get_trials(deepcopy=False)
        if self._weights is not None:
            self._weights.tidy(trials)
        ended = trials[trial.number]
        if is_lost(ended):
            self._progress.say(
                f"trial {trial.number} was not heard of for too long and is tried again by another "
                f"worker; what it came to here is dropped"
            )
        else:
            self._report_end(ended, trials)

    def _end(self, trial: Trial, outcome: Outcome) -> None:
        """Write how a trial ended, unless another worker has already declared it lost."""
        with transaction(self._study):
            if lock_trial(self._study, trial_id(trial)) == TrialState.RUNNING:
                if outcome.record is not None:
                    attributes = outcome.record.attributes
                    backend(self._study).set_trial_user_attrs(trial_id(trial), attributes)
                self._study.tell(trial, outcome.value, outcome.state)

    def _report_end(self, trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> None:
        self._progress.end(trial, trials)
        self._failures = self._failures + 1 if ending(trial) == "failed" else 0
        if self._failures == MAX_FAILURES:
            raise SearchStoppedError(
                f"{MAX_FAILURES} trials in a row have failed, the last one, {trial.number}, with "
                f"{failure(trial)!r}",
                Remedy.READ_TRACEBACKS,
            )
