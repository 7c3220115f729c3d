"""The objective: a trial's parameters become a run, and the run becomes the trial's record."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from fmnist_model.training.engine_protocol import ParallelEngine
from fmnist_model.training.results import EpochMetrics, RunResult
from search.algorithms.samplers import trial_seeds
from search.presets.preset import Preset
from search.presets.search_space import configurations, suggest
from search.storage.transactions import transaction
from search.study.trials import ERROR, FAIL_REASON, ORDINAL, RAISED

OnTrialStart = Callable[[Trial], None]
OnTrialEpoch = Callable[[EpochMetrics], None]


class Interrupted(KeyboardInterrupt):
    """Raised between two epochs after Ctrl-C or SIGTERM, so that the trial is told of it."""


@dataclass(frozen=True)
class Outcome:
    """How a trial ended, and what else is kept of it."""

    state: TrialState
    value: float | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


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
            noted = {FAIL_REASON: RAISED, ERROR: f"{type(error).__name__}: {error}"[:500]}
            noted["traceback"] = traceback.format_exc()
            return Outcome(TrialState.FAIL, None, noted)
        if result.stop_reason == "completed":
            return Outcome(TrialState.COMPLETE, result.value, attributes(result))
        return Outcome(TrialState.PRUNED, None, attributes(result))

    def _run(self, trial: Trial) -> Generator[None, None, RunResult]:
        training_seed = trial_seeds(self._seed, trial.user_attrs[ORDINAL])[1]
        _ = trial.relative_params  # what takes long is sampled before the database is locked
        # A trial of which a power cut leaves less is tried again, as is one that leaves all.
        with transaction(trial.study, durable=False):
            suggest(trial, self._preset)
            trial.set_user_attr("seed", training_seed)
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
    return str(trial.user_attrs.get(ERROR, "no reason was recorded"))
