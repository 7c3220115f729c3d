"""Several workers on this machine: starts them, shows what they do, replaces those that die."""

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

from fmnist_model.utils import Remedy
from search.console import Progress
from search.execution.job import SearchJob, SearchStoppedError
from search.execution.objective import Interrupted
from search.study import TrialRecord, fail_trials_of_process, is_finished

MAX_REPLACEMENTS = 3
"""So often in a row, no trial finished between, a worker that died is replaced."""
POOL_POLL_SECONDS = 0.3
GRACE_SECONDS = 10.0
"""How long workers that were told to stop at once are waited for."""


def threads_each(workers: int) -> int:
    """The processor cores that this process may use, shared out."""
    return max(1, len(os.sched_getaffinity(0)) // workers)


def thread_settings(threads: int) -> dict[str, str]:
    """The environment in which TensorFlow uses so many threads."""
    return {"TF_NUM_INTRAOP_THREADS": str(threads), "TF_NUM_INTEROP_THREADS": str(threads)}


class _Slot:
    """One worker's place: its process now, and how often it has died."""

    def __init__(self, spec: WorkerSpec) -> None:
        self._spec = spec
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (the worker writes to it)
        self.deaths = 0
        self.start()

    def start(self) -> None:
        """Start a process; Ctrl-C at the terminal reaches the parent alone."""
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

    def last_words(self) -> str:
        """The last line that the process wrote to stderr."""
        self._errors.seek(0)
        text = self._errors.read().decode(errors="replace")
        return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")

    def close(self) -> None:
        """Forget what the process wrote."""
        self._errors.close()


@dataclass(frozen=True)
class WorkerSpec:
    """So many processes that run this command each, in this environment besides one's own.

    `--parent` and the process that starts them are added to the command. They run in `directory`,
    that is, relative paths in the command begin there; None stands for the current directory of
    the process that starts them. On a Ray cluster each takes so many of its processors and GPUs.
    """

    command: Sequence[str]
    count: int
    environment: Mapping[str, str] = field(default_factory=dict)
    launcher: Literal["local", "ray"] = "local"
    cpus: float = 1
    gpus: float = 0
    directory: Path | None = None


class TrialDisplay:
    """Shows the trials that workers run and end, as the database tells of them."""

    def __init__(self, study: Study, progress: Progress) -> None:
        self._study, self._progress = study, progress
        self._ended = {t.number for t in self.trials() if t.state.is_finished()}

    def trials(self) -> list[FrozenTrial]:
        """The study's trials as they stand now."""
        return self._study.get_trials(deepcopy=False)

    def show(self) -> None:
        """Show what is new."""
        trials = self.trials()
        for trial in trials:
            if trial.state.is_finished() and trial.number not in self._ended:
                self._ended.add(trial.number)
                self._progress.end(trial, trials)
        self._progress.running([t for t in trials if t.state == TrialState.RUNNING])


def worker_command(job: SearchJob, study: str, engine: str, slots: int | None) -> list[str]:
    """The command of a worker, but for the database: its URL, which may hold a password, is to
    be in the worker's environment."""
    command = [sys.executable, "-m", "search", "worker", "--study", study, "--name", job.name]
    command += ["--trials", str(job.trials), "--engine", engine]
    command += ["--slots", str(slots)] if slots is not None else []
    command += ["--seed", str(job.seed)] if job.seed is not None else []
    command += ["--stop-when", str(job.stop_when)] if job.stop_when is not None else []
    return command + (["--data", str(job.data)] if job.data is not None else [])


def _runs_in(trial: FrozenTrial, pid: int) -> bool:
    """Does a worker with this process id run the trial, or did it?"""
    worker = TrialRecord.of(trial).worker
    return worker is not None and worker.pid == pid


class LocalPool:
    """`count` workers, each a process of its own, on one study."""

    def __init__(
        self,
        spec: WorkerSpec,
        study: Study,
        progress: Progress,
        interrupted: Callable[[], bool],
    ) -> None:
        self._study, self._progress = study, progress
        self._watch = TrialDisplay(study, progress)
        self._interrupted = interrupted
        self._told = False
        progress.say(f"starting {spec.count} workers")
        self._slots = [_Slot(spec) for _ in range(spec.count)]

    def run(self) -> None:
        """Wait until all workers have ended; raise Interrupted or SearchStoppedError."""
        try:
            while self._alive():
                self._watch.show()
                if self._interrupted() and not self._told:
                    self._terminate()
                time.sleep(POOL_POLL_SECONDS)
            self._watch.show()
            if self._told:
                raise Interrupted
        finally:
            self._end()

    def _alive(self) -> bool:
        living = [self._lives(slot) for slot in self._slots]
        return any(living)

    def _lives(self, slot: _Slot) -> bool:
        """Does the worker live? One that died is replaced."""
        code = slot.process.poll()
        if code is None:
            return True
        if code == 0 or self._interrupted():
            return False
        words = slot.last_words()
        if words.startswith("error: "):
            raise SearchStoppedError(words.removeprefix("error: "))
        self._replace(slot, code, words)
        return True

    def _replace(self, slot: _Slot, code: int, words: str) -> None:
        pid = slot.process.pid
        its = [t for t in self._watch.trials() if _runs_in(t, pid)]
        how = f"was killed by signal {-code}" if code < 0 else f"ended with {words or code!r}"
        slot.deaths = 1 if any(map(is_finished, its)) else slot.deaths + 1
        fail_trials_of_process(self._study, pid, how)
        self._watch.show()
        if slot.deaths > MAX_REPLACEMENTS:
            last = f", at work on trial {its[-1].number}" if its else ""
            problem = (
                f"a worker has died {slot.deaths} times in a row; the last time it {how}{last}"
            )
            raise SearchStoppedError(problem, Remedy.TAKE_FEWER_WORKERS)
        self._progress.say(f"worker {pid} {how}; another takes its place")
        slot.start()

    def _terminate(self) -> None:
        self._told = True
        for slot in self._slots:
            slot.process.terminate()

    def _end(self) -> None:
        """Stop at once what still runs: the second SIGTERM interrupts a worker."""
        living = [slot.process for slot in self._slots if slot.process.poll() is None]
        if living and not self._told:
            self._terminate()
            time.sleep(POOL_POLL_SECONDS)
        for process in living:
            process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        for process in living:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for slot in self._slots:
            slot.close()
