"""The objective function: trains with a trial's parameters, and returns how the trial ended."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import Trial, TrialState

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.network import parameters
from fmnist_model.training import (
    CheckpointError,
    EpochMetrics,
    Latency,
    ParallelEngine,
    Report,
    RunResult,
)
from search.algorithms import run_seed, trial_seeds
from search.execution.kept_weights import KeptWeights, Note, trained_from_the_beginning
from search.presets import Preset, configurations, suggest
from search.storage import transaction
from search.study import RunKey, TrialRecord, key_of

OnTrialStart = Callable[[Trial], None]
OnTrialEpoch = Callable[[EpochMetrics], None]


class Interrupted(KeyboardInterrupt):
    """Raised between two epochs after Ctrl-C or SIGTERM, so that the trial can be marked so."""


@dataclass(frozen=True)
class Outcome:
    """How a trial ended: its state, its value if it completed, and the record to write.

    `record` is None if another process has already written how the trial ended.
    """

    state: TrialState
    value: float | None = None
    record: TrialRecord | None = None


class Objective:
    """Trains the configuration that a trial proposes.

    The trial's value is the validation accuracy after the last epoch. Pruned, stuck and diverged
    runs end in Optuna's state PRUNED, and the user attribute `stop_reason` says which of the three
    it was. If the run raises an exception, the trial fails, and the attribute `traceback` keeps it.

    Args:
        preset: The model, the training and the search space.
        seed: The study's seed, from which each trial's own seed is derived.
        engine: Trains the networks.
        on_start: Called with each trial once its parameters have been chosen.
        on_epoch: Called with the metrics of each epoch.
        interrupted: Says, after each epoch, whether the search is to end.
        weights: Keeps the weights of runs that may be continued; None keeps none.
        latency: Measures the network that was trained last. It is called after each run of the
            greatest budget that has completed; None measures nothing.

    Raises:
        Interrupted: The search is to end.
        StorageInternalError: The database cannot be written to.
        UpdateFinishedTrialError: Another worker has meanwhile declared the trial lost.
    """

    def __init__(
        self,
        preset: Preset,
        seed: int,
        engine: ParallelEngine,
        on_start: OnTrialStart,
        on_epoch: OnTrialEpoch,
        interrupted: Callable[[], bool],
        weights: KeptWeights | None = None,
        latency: Callable[[], Latency] | None = None,
    ) -> None:
        self._preset, self._seed, self._engine = preset, seed, engine
        self._weights = weights if engine.can_continue else None
        self._latency = latency
        self._on_start, self._on_epoch, self._interrupted = on_start, on_epoch, interrupted

    def __call__(self, trial: Trial) -> Generator[None, None, Outcome]:
        """Train a trial as a generator, which trains a little each time that it is resumed."""
        try:
            result = yield from self._run(trial)
            measured = self._measured(trial, result)
        except (UpdateFinishedTrialError, StorageInternalError):
            raise  # not the fault of the trial
        except Exception as error:
            return Outcome(TrialState.FAIL, None, TrialRecord.of_exception(error))
        record = TrialRecord.of_run(result, self._keep_weights(trial, result))
        record = record.with_more(measured)
        if result.stop_reason == "completed":
            return Outcome(TrialState.COMPLETE, result.value, record)
        return Outcome(TrialState.PRUNED, None, record)

    def _run(self, trial: Trial) -> Generator[None, None, RunResult]:
        ordinal = TrialRecord.of(trial).ordinal
        assert ordinal is not None  # every claimed trial has one
        key = key_of(trial)
        training_seed = (
            trial_seeds(self._seed, ordinal)[1]
            if key is None
            else run_seed(self._seed, key.configuration, key.replicate)
        )
        _ = trial.relative_params  # sampling takes long: do it before the database is locked
        # After a power cut a running trial is tried again, whether or not these writes survived.
        with transaction(trial.study, durable=False):
            suggest(trial, self._preset)
            TrialRecord.of_seed(training_seed).write_to(trial)
        self._on_start(trial)
        model, train = configurations(self._preset, trial.params, training_seed)
        if key is None:
            return (yield from self._engine.running(model, train, self._reporter(trial, [])))
        train = train.model_copy(update={"epochs": key.budget})
        return (yield from self._run_planned(trial, key, model, train))

    def _run_planned(
        self, trial: Trial, key: RunKey, model: ModelConfig, train: TrainConfig
    ) -> Generator[None, None, RunResult]:
        """Train a planned run; if possible, from where a shorter one has left off."""
        engine, weights, earlier = self._engine, self._weights, list[EpochMetrics]()
        report = self._reporter(trial, earlier)
        if weights is None:
            return (yield from engine.running(model, train, report))
        keep, note = weights.wanted(key, train), _note_of(trial)
        start = weights.start_of(key, trial.study.get_trials(deepcopy=False), note)
        if start is None:
            return (yield from engine.running(model, train, report, keep=keep))
        earlier += start.counts.history
        try:
            result = yield from engine.running(model, train, report, start=start, keep=keep)
        except CheckpointError as error:  # it is another engine's, or of another precision
            note(trained_from_the_beginning(error))
            earlier.clear()
            return (yield from engine.running(model, train, report, keep=keep))
        with transaction(trial.study, durable=False):
            _report(trial, earlier)  # if it ended before it could report anything itself
        return result

    def _reporter(self, trial: Trial, earlier: list[EpochMetrics]) -> Report:
        """What is to be called after each epoch; the first time it reports the `earlier` ones, too,
        and empties the list."""

        def report(metrics: EpochMetrics) -> bool:
            with transaction(trial.study, durable=False):
                _report(trial, [*earlier, metrics])
                prune = trial.should_prune()
            earlier.clear()
            self._on_epoch(metrics)
            if self._interrupted():
                raise Interrupted
            return prune

        return report

    def _measured(self, trial: Trial, result: RunResult) -> TrialRecord:
        """What is kept of a run that has just ended for the preset's further objectives."""
        key = key_of(trial)
        if self._preset.objective is None or key is None:
            return TrialRecord({})
        size = parameters(configurations(self._preset, trial.params, 0)[0])
        in_full = key.budget == self._preset.budgets[-1] and result.stop_reason == "completed"
        latency = self._latency() if self._latency is not None and in_full else None
        return TrialRecord.of_measures(size, latency)

    def _keep_weights(self, trial: Trial, result: RunResult) -> str | None:
        """Keep what a longer run needs to go on; return the hash of the file, if there is one."""
        key = key_of(trial)
        if self._weights is None or key is None or result.checkpoint is None:
            return None
        return self._weights.keep(key, result.checkpoint, _note_of(trial))


def _note_of(trial: Trial) -> Note:
    """What notes in a trial's record what could not be done with kept weights."""

    def note(message: str) -> None:
        TrialRecord.of(trial).with_weights_note(message).write_to(trial)

    return note


def _report(trial: Trial, epochs: Sequence[EpochMetrics]) -> None:
    for metrics in epochs:
        if metrics.val_accuracy is not None:
            trial.report(metrics.val_accuracy, metrics.epoch)
