"""Stands in for training where that is not the question: the curve is a function of the
configuration, and each epoch sleeps. All around it (process, signals, database) is real.

    STORAGE=URL python -m benchmarks.replay NAME TRIALS SECONDS_AN_EPOCH --parent PID

works on study NAME of the preset studies/replay.toml, as `python -m search worker` would.
"""

from __future__ import annotations

import io
import math
import os
import sys
import time

from optuna.study import Study
from rich.console import Console

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.errors import UserError
from fmnist_model.health import Diagnosis
from fmnist_model.results import EpochMetrics, Report, RunResult, StopReason
from search.order import Order
from search.preset import load_preset
from search.progress import Progress
from search.runner import run_search


class Replay:
    """Best at a learning rate of 0.3 without dropout, after many epochs."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def run(
        self, model: ModelConfig, train: TrainConfig, report: Report | None = None
    ) -> RunResult:
        best = 0.9 - abs(train.learning_rate - 0.3) - model.dropout / 2
        history: list[EpochMetrics] = []
        stop: StopReason = "completed"
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
            diagnosis=Diagnosis("healthy", "a replay"),
            history=tuple(history),
            epochs_run=epoch,
            steps_run=epoch,
            train_seconds=epoch * self._seconds,
            images_per_second=1000.0,
            engine="replay",
            precision="float32",
            device="none",
            seed=train.seed,
            dead_fraction={},
            looks=(),
            recorded=None,
        )


def quiet() -> Progress:
    """Progress that nobody sees."""
    return Progress(Console(file=io.StringIO()))


def replay(
    name: str, trials: int, url: str, seconds: float = 0, parent: int | None = None
) -> Study:
    """Search with the stand-in, in this process."""
    order = Order(load_preset("replay"), name, url, trials, parent=parent)
    return run_search(order, quiet(), load=lambda *_: Replay(seconds))


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
