"""A stand-in for training, for measurements of everything else.

The curve is a function of the configuration, and each epoch sleeps. Process, signals and database
are real.

    STORAGE=URL python -m benchmarks.standins.replay NAME TRIALS SECONDS_AN_EPOCH [--stop-when X]
        [--timeout SECONDS --deadline TIME]

works on study NAME of the preset studies/replay.toml, as `python -m search worker` would.
"""

from __future__ import annotations

import argparse
import io
import math
import os
import sys
import time
from typing import Any

from optuna.study import Study
from rich.console import Console

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.diagnosis.diagnose import Diagnosis
from fmnist_model.training.checkpoint import Checkpoint
from fmnist_model.training.results import Report, RunResult, StopReason
from fmnist_model.training.run_counts import EpochMetrics
from fmnist_model.utils.cli import PATHS
from fmnist_model.utils.errors import UserError
from search.console.progress import Progress
from search.execution.job import SearchJob
from search.execution.runner import run_search
from search.execution.time_limit import TimeLimit
from search.presets.files import load_preset


class Replay:
    """A made-up curve, which is best at a learning rate of 0.3 without dropout."""

    can_continue = False

    def __init__(self, seconds: float = 0) -> None:
        self._seconds = seconds

    def curve(self, model: ModelConfig, train: TrainConfig) -> list[float]:
        """The validation accuracy after each epoch; it ends early where the run diverges."""
        best = 0.9 - abs(train.learning_rate - 0.3) - model.dropout / 2
        noise = train.seed % 997 / 1e5
        return [best * (1 - math.exp(-epoch)) + noise for epoch in range(1, train.epochs + 1)]

    def run(
        self,
        model: ModelConfig,
        train: TrainConfig,
        report: Report | None = None,
        *,
        start: Checkpoint | None = None,
        keep: bool = False,  # noqa: ARG002
    ) -> RunResult:
        if start is not None:
            raise ValueError("a replay begins with its first epoch, and was given a checkpoint")
        curve = self.curve(model, train)
        stop: StopReason = "completed" if len(curve) == train.epochs else "diverged"
        history: list[EpochMetrics] = []
        for epoch, accuracy in enumerate(curve, 1):
            time.sleep(self._seconds)
            history.append(EpochMetrics(epoch, 1.0, accuracy, 1.0, accuracy, 1000.0))
            if report is not None and report(history[-1]) and epoch < len(curve):
                stop = "pruned"
                break
        return RunResult(
            stop_reason=stop,
            value=history[-1].val_accuracy if history else None,
            diagnosis=Diagnosis("non_finite" if stop == "diverged" else "healthy", "a replay"),
            history=tuple(history),
            epochs_run=len(history),
            steps_run=len(history),
            train_seconds=len(history) * self._seconds,
            images_per_second=1000.0,
            engine="replay",
            precision="float32",
            device="none",
            seed=train.seed,
            dead_fraction={},
            checks=(),
            recorded=None,
        )


def quiet() -> Progress:
    """A progress that shows nothing."""
    return Progress(Console(file=io.StringIO()))


def replay(
    name: str,
    trials: int,
    url: str,
    seconds: float = 0,
    progress: Progress | None = None,
    **more: Any,
) -> Study:
    """Search with the stand-in, in this process."""
    job = SearchJob(load_preset("replay", PATHS.presets), name, url, trials, **more)
    return run_search(job, progress or quiet(), load=lambda *_: Replay(seconds))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("trials", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--stop-when", type=float)
    parser.add_argument("--parent", type=int)
    parser.add_argument("--timeout", type=float)
    parser.add_argument("--deadline", type=float)
    given = vars(parser.parse_args())
    limit = TimeLimit(given.pop("timeout"), given.pop("deadline"))
    if limit.seconds is not None:
        given["limit"] = limit
    try:
        replay(url=os.environ["STORAGE"], is_secondary_worker=True, **given)
    except KeyboardInterrupt:
        return 130
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
