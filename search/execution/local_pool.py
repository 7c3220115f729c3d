"""Starts several workers on this machine, shows their progress, and replaces those that die."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from fmnist_model.utils import Remedy, nvidia_gpu_is_there
from search.console import Progress
from search.execution.job import SearchJob, SearchStoppedError
from search.execution.objective import Interrupted
from search.presets import Preset
from search.study import TrialRecord, fail_trials_of_process, is_finished

MAX_REPLACEMENTS = 3
"""How many times in a row a worker that died is replaced; a finished trial restarts the count."""
POOL_POLL_SECONDS = 0.3
GRACE_SECONDS = 10.0
"""How long the pool waits for workers that were told to stop at once, before it kills them."""


def threads_each(workers: int) -> int:
    """How many threads each worker gets if they share the processor cores of this process
    evenly."""
    return max(1, len(os.sched_getaffinity(0)) // workers)


def auto_workers(preset: Preset, engine: str) -> int:
    """How many workers suit the preset and this machine.

    A search in budgets comes to the same with any number of workers, and TensorFlow trains small
    networks best on one processor core each: so there are as many workers as cores, unless there is
    a GPU. In all other searches one worker knows most when it begins a trial.
    """
    if preset.search is None or engine != "tensorflow" or nvidia_gpu_is_there():
        return 1
    return len(os.sched_getaffinity(0))


def thread_settings(threads: int) -> dict[str, str]:
    """The environment variables that make TensorFlow use this many threads."""
    return {"TF_NUM_INTRAOP_THREADS": str(threads), "TF_NUM_INTEROP_THREADS": str(threads)}


class _WorkerProcess:
    """One worker: the process that it runs in now, and how many times in a row it has died."""

    def __init__(self, spec: WorkerSpec) -> None:
        self._spec = spec
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (the worker writes to it)
        self.deaths = 0
        self.start()

    def start(self) -> None:
        """Start the process, in a session of its own, so that Ctrl-C reaches only the parent."""
        self._errors.seek(0)
        self._errors.truncate()
        self.process = subprocess.Popen(
            [*self._spec.command, "--parent", str(os.getpid())],
            cwd=self._spec.directory,
            env={**os.environ, **self._spec.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            start_new_session=True,
        )

    def last_error_line(self) -> str:
        """The last line that is not blank of what the process wrote to stderr."""
        self._errors.seek(0)
        text = self._errors.read().decode(errors="replace")
        return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")

    def close(self) -> None:
        """Delete what the process wrote to stderr."""
        self._errors.close()


@dataclass(frozen=True)
class WorkerSpec:
    """How many workers to start, and how: each is a process that runs `command`.

    Args:
        command: The command line; `--parent` and the id of the starting process are added to it.
        count: The number of workers.
        environment: Variables that are added to the environment of the starting process.
        launcher: Whether the workers run on this machine ("local") or on a Ray cluster ("ray").
        cpus: The processors that each worker reserves on a Ray cluster.
        gpus: The GPUs that each worker reserves on a Ray cluster.
        directory: The folder in which the workers run, so that relative paths in the command begin
            there; None takes the current directory of the starting process.
    """

    command: Sequence[str]
    count: int
    environment: Mapping[str, str] = field(default_factory=dict)
    launcher: Literal["local", "ray"] = "local"
    cpus: float = 1
    gpus: float = 0
    directory: Path | None = None


class TrialDisplay:
    """Shows which trials the workers run and how they end, as recorded in the database."""

    def __init__(self, study: Study, progress: Progress) -> None:
        self._study, self._progress = study, progress
        self._ended = {t.number for t in self.trials() if t.state.is_finished()}

    def trials(self) -> list[FrozenTrial]:
        """The current trials of the study; they must not be changed."""
        return self._study.get_trials(deepcopy=False)

    def show(self) -> None:
        """Show the trials that have ended since the last call, and those that run now."""
        trials = self.trials()
        for trial in trials:
            if trial.state.is_finished() and trial.number not in self._ended:
                self._ended.add(trial.number)
                self._progress.end(trial, trials)
        self._progress.running([t for t in trials if t.state == TrialState.RUNNING])


def worker_command(job: SearchJob, study: str, engine: str, slots: int | None) -> list[str]:
    """The command line of a worker.

    The URL of the database is left out, as it may contain a password, which other users of the
    machine could read from the list of processes: it has to be in the worker's environment.
    """
    command = [sys.executable, "-m", "search", "worker", "--study", study, "--name", job.name]
    command += ["--engine", engine]
    command += ["--trials", str(job.trials)] if job.trials is not None else []
    command += _limit_options(job)
    command += ["--slots", str(slots)] if slots is not None else []
    command += ["--seed", str(job.seed)] if job.seed is not None else []
    command += ["--stop-when", str(job.stop_when)] if job.stop_when is not None else []
    return command + (["--data", str(job.data)] if job.data is not None else [])


def _limit_options(job: SearchJob) -> list[str]:
    """The time limit, so that the time of all workers is up at once."""
    if job.limit is None:
        return []
    seconds, deadline = (f"{time:.3f}" for time in job.limit)
    return ["--timeout", seconds, "--deadline", deadline]


def _runs_in(trial: FrozenTrial, pid: int) -> bool:
    """Was the trial claimed by the worker with this process id?"""
    worker = TrialRecord.of(trial).worker
    return worker is not None and worker.pid == pid


class LocalPool:
    """The workers of one study on this machine, each a process of its own, started at once."""

    def __init__(
        self,
        spec: WorkerSpec,
        study: Study,
        progress: Progress,
        interrupted: Callable[[], bool],
    ) -> None:
        self._study, self._progress = study, progress
        self._display = TrialDisplay(study, progress)
        self._interrupted = interrupted
        self._terminated = False
        progress.say(f"starting {spec.count} workers")
        self._workers = [_WorkerProcess(spec) for _ in range(spec.count)]

    def run(self) -> None:
        """Wait until all workers have ended.

        Raises Interrupted after Ctrl-C or SIGTERM, and SearchStoppedError if a worker reports an
        error or has died too many times in a row.
        """
        try:
            while self._alive():
                self._display.show()
                if self._interrupted() and not self._terminated:
                    self._terminate()
                time.sleep(POOL_POLL_SECONDS)
            self._display.show()
            if self._terminated:
                raise Interrupted
        finally:
            self._end()

    def _alive(self) -> bool:
        alive = [self._is_alive(worker) for worker in self._workers]
        return any(alive)

    def _is_alive(self, worker: _WorkerProcess) -> bool:
        """Is the worker still running? One that died is replaced, and counts as running."""
        code = worker.process.poll()
        if code is None:
            return True
        if code == 0 or self._interrupted():
            return False
        error_line = worker.last_error_line()
        if error_line.startswith("error: "):
            raise SearchStoppedError(error_line.removeprefix("error: "))
        self._replace(worker, code, error_line)
        return True

    def _replace(self, worker: _WorkerProcess, code: int, error_line: str) -> None:
        pid = worker.process.pid
        claimed = [t for t in self._display.trials() if _runs_in(t, pid)]
        how = f"was killed by signal {-code}" if code < 0 else f"ended with {error_line or code!r}"
        worker.deaths = 1 if any(map(is_finished, claimed)) else worker.deaths + 1
        fail_trials_of_process(self._study, pid, how)
        self._display.show()
        if worker.deaths > MAX_REPLACEMENTS:
            last = f", at work on trial {claimed[-1].number}" if claimed else ""
            problem = (
                f"a worker has died {worker.deaths} times in a row; the last time it {how}{last}"
            )
            raise SearchStoppedError(problem, Remedy.TAKE_FEWER_WORKERS)
        self._progress.say(f"worker {pid} {how}; another takes its place")
        worker.start()

    def _terminate(self) -> None:
        self._terminated = True
        for worker in self._workers:
            worker.process.terminate()

    def _end(self) -> None:
        """Stop the workers that still run at once: the second SIGTERM interrupts a worker."""
        running = [w.process for w in self._workers if w.process.poll() is None]
        if running and not self._terminated:
            self._terminate()
            time.sleep(POOL_POLL_SECONDS)
        for process in running:
            process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for worker in self._workers:
            worker.close()
