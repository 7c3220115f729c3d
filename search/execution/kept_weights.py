"""Keeps the weights of short runs, from which the longer runs of the same configurations go on.

That saves time and nothing else: a run whose shorter one has left no weights here, on this machine,
is trained from its first epoch, and comes to the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from optuna.trial import FrozenTrial

from fmnist_model.config import TrainConfig
from fmnist_model.training import Checkpoint, CheckpointError, load, save
from search.execution.job import SearchJob
from search.storage import sqlite_file
from search.study import RunKey, TrialRecord, is_finished, key_of, objective_value

LIMIT_BYTES = 2**30
"""How large the kept weights of a study may become."""
WRITING_SECONDS = 60.0
"""A file that was begun so long ago, and is not complete, is that of a worker that was killed."""

Note = Callable[[str], None]
"""Notes what could not be kept or used."""


def weights_folder(job: SearchJob) -> Path | None:
    """Where the weights of the job's study are kept: beside its SQLite file, or else below
    `job.weights`; None if that is not given."""
    file = sqlite_file(job.url)
    folder = job.weights if file is None else file.with_name(f"{file.name}.weights")
    return folder / job.name if folder is not None else None


def kept_weights(job: SearchJob) -> KeptWeights | None:
    """The weights of the job's study; None if it has no budgets, or no folder for them."""
    folder = weights_folder(job)
    if job.preset.search is None or folder is None:
        return None
    return KeptWeights(folder, job.preset.epochs)


class KeptWeights:
    """The kept weights of one study, a file for each run that may be continued.

    Args:
        folder: Where they are; it is made when there is something to keep. Workers share it.
        longest: The greatest budget: what has had it is not continued.
        limit: How many bytes they may have together.
    """

    def __init__(self, folder: Path, longest: int, limit: int = LIMIT_BYTES) -> None:
        self._folder, self._longest, self._limit = folder, longest, limit

    def wanted(self, key: RunKey, train: TrainConfig) -> bool:
        """Can a longer run go on from this one? It has the same learning rates only if they are
        constant."""
        return train.schedule == "constant" and key.budget < self._longest

    def keep(self, key: RunKey, checkpoint: Checkpoint, note: Note) -> str | None:
        """Keep a run's checkpoint and return its SHA-256; None where it cannot be written."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            return save(checkpoint, self._path(key))
        except OSError as error:
            note(f"its weights are not kept in {self._folder}: {error.strerror}")
            return None

    def start_of(self, key: RunKey, trials: Sequence[FrozenTrial], note: Note) -> Checkpoint | None:
        """The checkpoint of the longest run that this one is the continuation of, if one is kept.

        `trials` are the study's. Where the file is not there any more, or damaged, that is noted.
        """
        shorter = [
            (other.budget, sha256)
            for trial in trials
            if (sha256 := TrialRecord.of(trial).weights_sha256) is not None
            if (other := key_of(trial)) is not None and _continues(key, other)
        ]
        if not shorter:
            return None
        budget, sha256 = max(shorter)
        try:
            return load(self._path(key._replace(budget=budget)), sha256)
        except CheckpointError as error:
            note(trained_from_the_beginning(error))
            return None

    def tidy(self, trials: Sequence[FrozenTrial]) -> None:
        """Drop what is not needed any more and, if there is too much, what is the least promising.

        A file is needed until a run that continues it has ended. If the files are larger than the
        limit, those of the configurations of the lowest value go first, and of these the oldest.
        `trials` are the study's.
        """
        ended = [(key_of(trial), trial) for trial in trials if is_finished(trial)]
        keys = {key: objective_value(trial) for key, trial in ended if key is not None}
        longest: dict[tuple[int, int], int] = {}
        for key in keys:
            run = (key.configuration, key.replicate)
            longest[run] = max(longest.get(run, 0), key.budget)
        worth = {self._path(key): value or 0.0 for key, value in keys.items()}
        worth |= {
            self._path(key): -1.0
            for key in keys
            if key.budget < longest[key.configuration, key.replicate]
        }
        self._drop(worth)

    def _drop(self, worth: Mapping[Path, float]) -> None:
        """Drop the files that are worth less than nothing, then those worth least, until the others
        are within the limit; those of runs that have not ended yet are worth most."""
        found = []
        for path in self._folder.glob("*.npz"):
            with suppress(FileNotFoundError):  # another worker has dropped it
                status = path.stat()
                of_no_use = path.name.startswith(".") and _is_old(status.st_mtime)
                value = -1.0 if of_no_use else worth.get(path, 1.0)
                found.append((value, status.st_mtime_ns, path, status.st_size))
        excess = sum(size for *_, size in found) - self._limit
        for value, _, path, size in sorted(found):
            if value < 0 or excess > 0:
                path.unlink(missing_ok=True)
                excess -= size

    def _path(self, key: RunKey) -> Path:
        return self._folder / f"{key.configuration}-{key.budget}-{key.replicate}.npz"


def trained_from_the_beginning(error: CheckpointError) -> str:
    """That a run is trained from its first epoch, and why."""
    return f"it is trained from the beginning: {error}"


def _is_old(modified: float) -> bool:
    return time.time() - modified > WRITING_SECONDS


def _continues(key: RunKey, other: RunKey) -> bool:
    """Is the run `key` the continuation of the run `other`?"""
    return key._replace(budget=0) == other._replace(budget=0) and other.budget < key.budget
