"""The objective: a trial's parameters become a run, and the run becomes the trial's record."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import Trial, TrialState

from fmnist_model.training import EpochMetrics, ParallelEngine, RunResult
from search.algorithms import trial_seeds
from search.presets import Preset, configurations, suggest
from search.storage import transaction
from search.study import TrialRecord

OnTrialStart = Callable[[Trial], None]
OnTrialEpoch = Callable[[EpochMetrics], None]


class Interrupted(KeyboardInterrupt):
    """Raised between two epochs after Ctrl-C or SIGTERM, so that the trial is told of it."""


@dataclass(frozen=True)
class Outcome:
    """How a trial ended, and what else is kept of it; None where another keeps it."""

    state: TrialState
    value: float | None = None
    record: TrialRecord | None = None


class Objective:
    """Trains what a trial proposes; the value is the validation accuracy after the last epoch.

    Pruned, stuck and diverged runs end as PRUNED, and the attribute `stop_reason` says which.
    Any exception of the run is kept as `traceback`, and the trial fails. Raises Interrupted,
    StorageInternalError, and UpdateFinishedTrialError where the trial was taken for lost meanwhile.
    """

    def __init__(
        self,
        preset: Preset,
        seed: int,
        engine: ParallelEngine,
        on_start: OnTrialStart,
        on_epoch: OnTrialEpoch,
        interrupted: Callable[[], bool],
    ) -> None:
        self._preset, self._seed, self._engine = preset, seed, engine
        self._on_start, self._on_epoch, self._interrupted = on_start, on_epoch, interrupted

    def __call__(self, trial: Trial) -> Generator[None, None, Outcome]:
        """Train a trial, a piece each time that it is resumed."""
        try:
            result = yield from self._run(trial)
        except (UpdateFinishedTrialError, StorageInternalError):
            raise  # none of the trial's fault
        except Exception as error:
            return Outcome(TrialState.FAIL, None, TrialRecord.of_exception(error))
        record = TrialRecord.of_run(result)
        if result.stop_reason == "completed":
            return Outcome(TrialState.COMPLETE, result.value, record)
        return Outcome(TrialState.PRUNED, None, record)

    def _run(self, trial: Trial) -> Generator[None, None, RunResult]:
        ordinal = TrialRecord.of(trial).ordinal
        assert ordinal is not None  # it was claimed
        training_seed = trial_seeds(self._seed, ordinal)[1]
        _ = trial.relative_params  # what takes long is sampled before the database is locked
        # A trial of which a power cut leaves less is tried again, as is one that leaves all.
        with transaction(trial.study, durable=False):
            suggest(trial, self._preset)
            TrialRecord.of_seed(training_seed).write_to(trial)
        self._on_start(trial)

        def report(metrics: EpochMetrics) -> bool:
            with transaction(trial.study, durable=False):
                if metrics.val_accuracy is not None:
                    trial.report(metrics.val_accuracy, metrics.epoch)
                prune = trial.should_prune()
            self._on_epoch(metrics)
            if self._interrupted():
                raise Interrupted
            return prune

        model, train = configurations(self._preset, trial.params, training_seed)
        return (yield from self._engine.running(model, train, report))
