"""The objective: a trial's parameters become a run, and the run becomes the trial's record."""

from __future__ import annotations

import socket
import traceback
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Protocol, runtime_checkable

import optuna
import psutil
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.results import EpochMetrics, Report, RunResult
from search.preset import Preset
from search.sampling import trial_seeds
from search.space import configurations, suggest
from search.trials import FAIL_REASON, ORDINAL

WORKER = "worker"
CLOCK_SECONDS = 5.0

OnStart = Callable[[Trial], None]
OnEpoch = Callable[[EpochMetrics], None]


class Trains(Protocol):
    """What a trial needs of an engine: `fmnist_model.training.Engine`, or a stand-in for it."""

    def run(
        self, model: ModelConfig, train: TrainConfig, report: Report | None = None
    ) -> RunResult:
        """Train one configuration; `report` is called after each epoch and may end the run."""


@runtime_checkable
class TrainsSideBySide(Protocol):
    """An engine with so many slots: `fmnist_model.population.Population`, or any one with one."""

    slots: int

    def running(
        self, model: ModelConfig, train: TrainConfig, report: Report | None = None
    ) -> Generator[None, None, RunResult]:
        """Train one configuration in a slot, a piece each time it is resumed."""

    def advance(self) -> None:
        """Train all slots on. To be called after each has been resumed."""


class OneAtATime:
    """An engine that trains one configuration from beginning to end, as one with a single slot."""

    slots = 1

    def __init__(self, engine: Trains) -> None:
        self._engine = engine

    def running(
        self, model: ModelConfig, train: TrainConfig, report: Report | None = None
    ) -> Generator[None, None, RunResult]:
        """Train it all the first time it is resumed."""
        yield from ()
        return self._engine.run(model, train, report)

    def advance(self) -> None:
        """There is nothing left to do."""


class Interrupted(KeyboardInterrupt):
    """Raised between two epochs after Ctrl-C or SIGTERM, so that the trial is told of it."""


class TrialFailedError(Exception):
    """A trial raised an exception, which its attributes tell of; the search goes on."""


def this_process() -> dict[str, Any]:
    """Names this process so that another can tell later whether it still lives."""
    process = psutil.Process()
    return {
        "host": socket.gethostname(),
        "pid": process.pid,
        "started": process.create_time(),
    }


def is_gone(worker: dict[str, Any] | None) -> bool:
    """Has the process that ran a trial ended, as far as this machine can tell?"""
    if worker is None or worker.get("host") != socket.gethostname():
        return False
    try:
        process = psutil.Process(worker["pid"])
        # The start is computed from the clock, which may have been set since.
        another = abs(process.create_time() - worker["started"]) > CLOCK_SECONDS
        return another or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Objective:
    """Trains what a trial proposes, a piece at a time; returns the last validation accuracy.

    Raises TrialPruned for pruned, stuck and diverged runs, whose `stop_reason` attribute says
    which, and TrialFailedError after any exception of the run, which is kept as `traceback`.
    Raises UpdateFinishedTrialError where the trial was taken for lost meanwhile.
    """

    def __init__(
        self,
        preset: Preset,
        seed: int,
        engine: TrainsSideBySide,
        on_start: OnStart,
        on_epoch: OnEpoch,
        interrupted: Callable[[], bool],
    ) -> None:
        self._preset, self._seed, self._engine = preset, seed, engine
        self._on_start, self._on_epoch, self._interrupted = on_start, on_epoch, interrupted

    def __call__(self, trial: Trial) -> Generator[None, None, float]:
        try:
            return (yield from self._run(trial))
        except (optuna.TrialPruned, UpdateFinishedTrialError):
            raise
        except (KeyboardInterrupt, GeneratorExit, StorageInternalError):
            # The database's fault is none of the trial's: it is lost, it has not failed.
            with suppress(StorageInternalError, UpdateFinishedTrialError):
                trial.set_user_attr(FAIL_REASON, "interrupted")
            raise
        except Exception as error:
            trial.set_user_attr(FAIL_REASON, "exception")
            trial.set_user_attr("error", f"{type(error).__name__}: {error}"[:500])
            trial.set_user_attr("traceback", traceback.format_exc())
            raise TrialFailedError from error

    def _run(self, trial: Trial) -> Generator[None, None, float]:
        suggest(trial, self._preset)
        training_seed = trial_seeds(self._seed, trial.user_attrs[ORDINAL])[1]
        model, train = configurations(self._preset, trial.params, training_seed)
        trial.set_user_attr("seed", training_seed)
        self._on_start(trial)

        def report(metrics: EpochMetrics) -> bool:
            if metrics.val_accuracy is not None:
                trial.report(metrics.val_accuracy, metrics.epoch)
            self._on_epoch(metrics)
            if self._interrupted():
                raise Interrupted
            return trial.should_prune()

        result = yield from self._engine.running(model, train, report)
        for name, value in attributes(result).items():
            trial.set_user_attr(name, value)
        if result.stop_reason != "completed":
            raise optuna.TrialPruned(result.stop_reason)
        assert result.value is not None
        return result.value


def attributes(result: RunResult) -> dict[str, Any]:
    """What a trial's user attributes keep of its run."""
    return {
        "stop_reason": result.stop_reason,
        "diagnosis": result.diagnosis.to_dict(),
        "recorded": asdict(result.recorded) if result.recorded is not None else None,
        "dead_fraction": dict(result.dead_fraction),
        "history": result.curves(),
        "epochs_run": result.epochs_run,
        "steps_run": result.steps_run,
        "train_seconds": round(result.train_seconds, 3),
        "images_per_second": round(result.images_per_second, 1),
        "engine": result.engine,
        "precision": result.precision,
        "device": result.device,
        "seed": result.seed,
    }


def failure(trial: FrozenTrial) -> str:
    """One line on why a trial failed."""
    return str(trial.user_attrs.get("error", "no reason was recorded"))
