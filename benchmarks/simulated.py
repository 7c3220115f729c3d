"""Simulated workers: threads of one process, each with a storage and connections of its own.

    STORAGE=URL python -m benchmarks.simulated NAME TRIALS WORKERS SECONDS_AN_EPOCH

works on study NAME of the preset studies/replay.toml, from a line on stdin on. All that a worker
does is done but for training, which sleeps and has the curves of stored runs.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
from collections import Counter

import optuna
import sqlalchemy

from benchmarks.replay import quiet
from benchmarks.stored import Stored
from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.results import EpochMetrics, Report, RunResult
from search.order import Order
from search.preset import load_preset
from search.pruning import make_pruner
from search.storage import open_storage
from search.study import open_study
from search.worker import Worker


class Timed(Stored):
    """Notes how long each report took, and the time between two trials."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.reports: list[float] = []
        self.between: list[float] = []
        self._ended: float | None = None

    def run(
        self, model: ModelConfig, train: TrainConfig, report: Report | None = None
    ) -> RunResult:
        if self._ended is not None:
            self.between.append(time.perf_counter() - self._ended)

        def timed(metrics: EpochMetrics) -> bool:
            started = time.perf_counter()
            prune = report is not None and report(metrics)
            self.reports.append(time.perf_counter() - started)
            return prune

        result = super().run(model, train, timed)
        self._ended = time.perf_counter()
        return result


def simulate(url: str, name: str, trials: int, workers: int, seconds: float) -> None:
    """So many workers in this process; prints what they took as JSON."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    commits: Counter[str] = Counter()

    def count(connection: sqlalchemy.Connection) -> None:
        commits[connection.dialect.name] += 1

    order = Order(load_preset("replay"), name, url, trials, beside=True)
    engines = [Timed(seconds) for _ in range(workers)]
    ready = []
    for _ in engines:
        storage = open_storage(url, order.preset.workers.heartbeat)
        study = open_study(storage, name, order.preset, None)
        study.pruner = make_pruner(order.preset)
        ready.append(Worker(order, study, quiet(), lambda: False))
    engines[0].curve(ModelConfig(), TrainConfig())  # reads them all
    print("ready", flush=True)
    sys.stdin.readline()
    sqlalchemy.event.listen(sqlalchemy.Engine, "commit", count)
    before = resource.getrusage(resource.RUSAGE_SELF)
    threads = [
        threading.Thread(target=worker.run, args=(lambda *_, engine=engine: engine,))
        for worker, engine in zip(ready, engines, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
                "commits": commits.total(),
                "reports": [second for engine in engines for second in engine.reports],
                "between": [second for engine in engines for second in engine.between],
            }
        )
    )


if __name__ == "__main__":
    name, trials, workers, seconds = sys.argv[1:]
    simulate(os.environ["STORAGE"], name, int(trials), int(workers), float(seconds))
