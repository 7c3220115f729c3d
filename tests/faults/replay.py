"""Stands in for training where it is not the question: the curve is a function of the
configuration, and each epoch sleeps. All around it (process, signals, database) is real.

    STORAGE=URL python -m tests.faults.replay NAME TRIALS SECONDS_AN_EPOCH --parent PID
"""

from __future__ import annotations

import io
import math
import os
import sys
import time

from rich.console import Console

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.errors import UserError
from fmnist_model.health import living
from fmnist_model.results import EpochMetrics, Report, RunResult
from search.order import Order
from search.pool import Crew
from search.preset import load_preset
from search.progress import Progress
from search.runner import run_search
from tests.conftest import DATA, ROOT


class Replay:
    """Best at a learning rate of 0.3 without dropout, after many epochs."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def run(
        self, model: ModelConfig, train: TrainConfig, report: Report | None = None
    ) -> RunResult:
        best = 0.9 - abs(train.learning_rate - 0.3) - model.dropout / 2
        history, stop = [], "completed"
        for epoch in range(1, train.epochs + 1):
            time.sleep(self._seconds)
            accuracy = best * (1 - math.exp(-epoch)) + train.seed % 997 / 1e5
            history.append(EpochMetrics(epoch, 1.0, accuracy, 1.0, accuracy, 1000.0))
            if report is not None and report(history[-1]) and epoch < train.epochs:
                stop = "pruned"
                break
        return RunResult(
            stop_reason=stop,
            value=accuracy,
            diagnosis=living(1.0, 2.3),
            history=tuple(history),
            epochs_run=epoch,
            steps_run=epoch,
            train_seconds=epoch * self._seconds,
            images_per_second=1000.0,
            engine="replay",
            precision="float32",
            device="none",
            seed=train.seed,
        )


def quiet() -> Progress:
    return Progress(Console(file=io.StringIO()))


def replay_order(name: str, trials: int, url: str, parent: int | None = None) -> Order:
    return Order(load_preset("replay"), name, url, trials, data=DATA, parent=parent)


def replay(name: str, trials: int, url: str, seconds: float = 0, parent: int | None = None):
    """Search with the stand-in, in this process."""
    order = replay_order(name, trials, url, parent)
    return run_search(order, quiet(), load=lambda *_: Replay(seconds))


def replay_crew(count: int, name: str, trials: int, url: str, seconds: float, progress=None):
    """Search with the stand-in, in workers."""
    command = [sys.executable, "-m", "tests.faults.replay", name, str(trials), str(seconds)]
    crew = Crew(command, count, {"STORAGE": url, "PYTHONPATH": str(ROOT)})
    return run_search(replay_order(name, trials, url), progress or quiet(), crew)


def main() -> int:
    name, trials, seconds, _, parent = sys.argv[1:]
    try:
        replay(name, int(trials), os.environ["STORAGE"], float(seconds), int(parent))
    except KeyboardInterrupt:
        return 130
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
