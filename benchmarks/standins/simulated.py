"""Simulated workers: threads of one process, each with a storage and connections of its own.

    STORAGE=URL python -m benchmarks.standins.simulated NAME WORKERS SECONDS_AN_EPOCH

begins to work on study NAME of the preset studies/replay.toml when it reads a line "BEGIN END" from
stdin, two times of the monotonic clock, and prints as JSON what was done between the two. It does
all that a worker does, except for training, which sleeps and has the curves of stored runs.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
from collections import Counter
from typing import NamedTuple

import optuna
import sqlalchemy

from benchmarks.standins.replay import quiet
from benchmarks.standins.stored import Stored
from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.training.checkpoint import Checkpoint
from fmnist_model.training.results import Report, RunResult
from fmnist_model.training.run_counts import EpochMetrics
from fmnist_model.utils.cli import PATHS
from fmnist_model.utils.errors import UserError
from search.algorithms.pruners import make_pruner
from search.execution.job import SearchJob
from search.execution.worker import Worker
from search.presets.files import load_preset
from search.storage.connection import open_storage
from search.storage.errors import storage_errors_explained
from search.study.study import open_study

ENDLESS = 10**9
"""More trials than any budget allows."""


class Reported(NamedTuple):
    """A report: the time when it was done, and the seconds that it took."""

    when: float
    took: float


class Timed(Stored):
    """Notes each report, and how many epochs each trial has or will have. (Counting ended trials
    alone would prefer short ones.)"""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.reports: list[Reported] = []
        self.epochs: list[int] = []

    def curve(self, model: ModelConfig, train: TrainConfig) -> list[float]:
        curve = super().curve(model, train)
        self.epochs.append(len(curve))
        return curve

    def run(
        self,
        model: ModelConfig,
        train: TrainConfig,
        report: Report | None = None,
        *,
        start: Checkpoint | None = None,
        keep: bool = False,
    ) -> RunResult:
        def timed(metrics: EpochMetrics) -> bool:
            started = time.monotonic()
            prune = report is not None and report(metrics)
            ended = time.monotonic()
            self.reports.append(Reported(ended, ended - started))
            return prune

        result = super().run(model, train, timed, start=start, keep=keep)
        self.epochs[-1] = result.epochs_run
        return result


def simulate(url: str, name: str, workers: int, seconds: float) -> None:
    """Run this many workers in this process, which ends while they are still at work."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    commits: Counter[str] = Counter()

    def count(connection: sqlalchemy.Connection) -> None:
        commits[connection.dialect.name] += 1

    engines = [Timed(seconds) for _ in range(workers)]
    ready = [_worker(url, name) for _ in engines]
    Stored().curve(ModelConfig(), TrainConfig())  # reads them all
    print("ready", flush=True)
    begin, end = map(float, sys.stdin.readline().split())
    sqlalchemy.event.listen(sqlalchemy.Engine, "commit", count)
    gave_up: list[str] = []
    for worker, engine in zip(ready, engines, strict=True):
        arguments = (worker, engine, url, gave_up)
        threading.Thread(target=_work, args=arguments, daemon=True).start()
    time.sleep(max(0.0, begin - time.monotonic()))
    used, made = _processor(), commits.total()
    time.sleep(max(0.0, end - time.monotonic()))
    used, made = _processor() - used, commits.total() - made
    reports = [one for engine in engines for one in engine.reports if begin <= one.when < end]
    print(
        json.dumps(
            {
                "processor": used,
                "commits": made,
                "reports": [report.took for report in reports],
                "epochs": [count for engine in engines for count in engine.epochs],
                "gave_up": gave_up,
            }
        ),
        flush=True,
    )
    os._exit(0)  # what they still wait for is of no interest


def _worker(url: str, name: str) -> Worker:
    job = SearchJob(
        load_preset("replay", PATHS.presets), name, url, ENDLESS, is_secondary_worker=True
    )
    study = open_study(open_storage(url, job.preset.workers.heartbeat), name, job.preset, None)
    study.pruner = make_pruner(job.preset)
    return Worker(job, study, quiet(), lambda: False)


def _work(worker: Worker, engine: Timed, url: str, gave_up: list[str]) -> None:
    try:
        with storage_errors_explained(url):
            worker.run(lambda *_: engine)
    except UserError as error:
        gave_up.append(str(error))


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    name, workers, seconds = sys.argv[1:]
    simulate(os.environ["STORAGE"], name, int(workers), float(seconds))
