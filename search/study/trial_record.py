"""What is kept of a trial in its user attributes. It is made and read here, and nowhere else.

A trial is claimed by a worker, gets its seed, trains, and ends; at each of these points one of the
class methods below makes the record of what is to be kept, and `attributes` is what is stored.
Reading is the reverse:

    record = TrialRecord.of(trial)
    record.stop_reason, record.diagnosis, record.ordinal

Names and values of what is stored do not change, so that studies made by any version can be read.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, get_args

from optuna.trial import FrozenTrial, Trial

from fmnist_model.training import Latency, RunResult, StopReason, stop_reason_of
from search.study import record_values as values
from search.study.process_identity import ProcessIdentity, read_process
from search.study.record_values import Curves, KeptDiagnosis, KeptRecorded

if TYPE_CHECKING:
    from fmnist_model.diagnosis import Diagnosis

RECORD_VERSION = 2
"""What `record_version` says of the trials that this program makes; one without it is version 0."""

FailReason = Literal["killed", "interrupted", "exception", "deadly"]
"""Why a trial has failed, in Optuna's sense of the word.

"killed": its worker was killed, or was not heard of any more. "interrupted": its worker was told to
stop. Nothing is wrong with such a trial: it counts as lost, and is tried again. "exception": its
training raised one. "deadly": it had already been tried again because its worker was killed, and
then its second worker was killed, too. Trials of the last two reasons count as failed.
"""
Role = Literal["new", "promotion", "race"]
"""What a run in a search in budgets is for.

"new": it tries a configuration for the first time. "promotion": it trains one of the better ones
for longer. "race": it trains one of the best with another seed, to tell which is the best.
"""
PLANNED = ("configuration", "budget", "replicate", "generation", "role")
"""The fields of a trial that was planned in a search in budgets."""
LONGEST_ERROR = 500
"""Characters."""

T = TypeVar("T")


class Attribute(Generic[T]):
    """A user attribute, under the name of the field; None where it is absent or not one of ours.

    It is read and checked each time that the field is asked for, and nothing else is.
    """

    def __init__(self, read: Callable[[Any], T | None]) -> None:
        self._read = read

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, record: TrialRecord, owner: type) -> T | None:
        value = record.attributes.get(self._name)
        return None if value is None else self._read(value)


class TrialRecord:
    """What is kept of a trial.

    Every field can be None: the trial has not got that far, was added by hand, by optuna-dashboard
    or by another program, or somebody has changed the attribute to what this program never writes.
    In the record of a later version a field of the same name means the same.
    """

    __slots__ = ("attributes",)

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self.attributes = attributes

    record_version = Attribute(values.whole)
    """Which version of this program's records it is; None of those before version 1."""

    # Written when a worker claims the trial.
    ordinal = Attribute(values.whole)
    """The trial's position in the search, from 0: see `search.study.trials`."""
    arm = Attribute(values.text)
    """The name of the preset's arm that the trial tries."""
    retry_of = Attribute(values.whole)
    """The number of the lost or failed trial that this one tries again."""
    worker = Attribute(read_process)
    """The process that runs the trial."""

    # Written when the trial is planned, in a search in budgets: see `search.study.runs`.
    configuration = Attribute(values.whole)
    """Which configuration is run: the ordinal of the trial that tried it first."""
    budget = Attribute(values.whole)
    """Epochs of the run, which is a whole one: the schedule ends with it."""
    replicate = Attribute(values.whole)
    """Which seed of the configuration it is, from 0."""
    generation = Attribute(values.whole)
    """In which generation the run was planned, from 0."""
    role = Attribute[Role](values.one_of(get_args(Role)))
    """What the run is for."""

    # Written once the trial has its parameters.
    seed = Attribute(values.training_seed)
    """The seed of the training: of the weights, the order of images, and dropout."""

    # Written when the run has ended: the fields of `fmnist_model.training.results.RunResult`.
    stop_reason = Attribute[StopReason](values.one_of(get_args(StopReason)))
    """Why the run ended."""
    diagnosis = Attribute[KeptDiagnosis](values.diagnosis)
    """What the run suffered from."""
    recorded = Attribute[KeptRecorded](values.recorded)
    """When a run that was told to go on would have been stopped."""
    continued_from = Attribute(values.whole)
    """The epochs that an earlier run had trained, whose kept weights this one began with."""
    earlier_seconds = Attribute(values.amount)
    """What these epochs had taken; it is part of `train_seconds`."""
    weights_sha256 = Attribute(values.text)
    """The hash of the file with the weights that a longer run continues from, where it is kept."""
    weights_note = Attribute(values.text)
    """Why kept weights could not be used, or these not be kept."""
    dead_fraction = Attribute(values.shares)
    """The share of inactive units of each hidden layer at the end."""
    history = Attribute[Curves](values.curves)
    """The figures of each epoch."""
    epochs_run = Attribute(values.whole)
    """Epochs that were begun."""
    steps_run = Attribute(values.whole)
    """Training steps."""
    train_seconds = Attribute(values.amount)
    """Wall time from the first step to the last validation."""
    images_per_second = Attribute(values.amount)
    """In training, without validation."""
    engine = Attribute(values.text)
    """Which engine trained: "tensorflow" or "population"."""
    precision = Attribute(values.text)
    """In which precision: "float32" or "bfloat16"."""
    device = Attribute(values.text)
    """On which device."""
    parameters = Attribute(values.whole)
    """The trainable weights of the network; only where the preset has further objectives."""
    latency_ms = Attribute(values.amount)
    """The median milliseconds that the network takes for an image; only where that is wanted."""
    latency_spread_ms = Attribute(values.amount)
    """The distance between the quartiles of these."""

    # Written when the trial fails.
    fail_reason = Attribute[FailReason](values.one_of(get_args(FailReason)))
    """Why it has failed."""
    error = Attribute(values.text)
    """What was raised, or what became of its worker."""
    traceback = Attribute(values.text)
    """Where it was raised."""

    @property
    def version(self) -> int:
        """Which version of this program's records it is; 0 of those before version 1."""
        return self.record_version or 0

    @property
    def epochs_trained(self) -> int:
        """The epochs that this trial itself has trained; what is summed over trials.

        `epochs_run` of a run that was continued counts those of the shorter run, too.
        """
        return max(0, (self.epochs_run or 0) - (self.continued_from or 0))

    @property
    def seconds_trained(self) -> float:
        """The seconds of training that this trial itself has taken; what is summed over trials.

        Of a run that was continued `train_seconds` counts those of the shorter run, too.
        """
        return max(0.0, (self.train_seconds or 0.0) - (self.earlier_seconds or 0.0))

    @property
    def planned(self) -> Mapping[str, Any]:
        """What was written when the trial was planned, which a second try of it has, too."""
        return {name: self.attributes[name] for name in PLANNED if name in self.attributes}

    @classmethod
    def of(cls, trial: FrozenTrial | Trial) -> TrialRecord:
        """The record of a trial, whoever made it."""
        return cls(trial.user_attrs)

    @classmethod
    def of_claim(
        cls,
        ordinal: int,
        worker: ProcessIdentity | None = None,
        arm: str | None = None,
        retry_of: int | None = None,
    ) -> TrialRecord:
        """What is kept of a trial that a worker claims."""
        process = worker.to_dict() if worker is not None else None
        kept = {"arm": arm, "ordinal": ordinal, "retry_of": retry_of, "worker": process}
        return cls._made({key: value for key, value in kept.items() if value is not None})

    @classmethod
    def of_plan(
        cls,
        ordinal: int,
        configuration: int,
        budget: int,
        replicate: int,
        generation: int,
        role: Role,
        arm: str | None = None,
    ) -> TrialRecord:
        """What is kept of a trial that is planned and waits for a worker."""
        kept = {"ordinal": ordinal, "configuration": configuration, "budget": budget}
        kept |= {"replicate": replicate, "generation": generation}
        more = {"role": role} if arm is None else {"role": role, "arm": arm}
        return cls._made(kept | more)

    @classmethod
    def of_seed(cls, seed: int) -> TrialRecord:
        """What is kept of a trial that begins to train."""
        return cls({"seed": seed})

    @classmethod
    def of_run(cls, result: RunResult, weights_sha256: str | None = None) -> TrialRecord:
        """What is kept of a run that has ended, in whichever way."""
        more: dict[str, Any] = {}
        if result.continued_from:
            more["continued_from"] = result.continued_from
            more["earlier_seconds"] = round(result.earlier_seconds, 3)
        if weights_sha256 is not None:
            more["weights_sha256"] = weights_sha256
        return cls._made(
            {
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
                **more,
            }
        )

    def with_weights_note(self, message: str) -> TrialRecord:
        """What is kept of a run where something could not be done with kept weights."""
        before = self.weights_note
        return TrialRecord({"weights_note": f"{before}; {message}" if before else message})

    @classmethod
    def of_measures(cls, parameters: int, latency: Latency | None = None) -> TrialRecord:
        """What is kept of a run for the further objectives of its preset."""
        kept: dict[str, Any] = {"parameters": parameters}
        if latency is not None:
            kept["latency_ms"] = round(latency.median_ms, 4)
            kept["latency_spread_ms"] = round(latency.spread_ms, 4)
        return cls(kept)

    def with_more(self, other: TrialRecord) -> TrialRecord:
        """This record and another one of the same trial."""
        return TrialRecord({**self.attributes, **other.attributes})

    @classmethod
    def of_stop(cls, diagnosis: Diagnosis) -> TrialRecord:
        """What is kept of a trial of somebody's own objective that `search.callback` stops."""
        stop_reason = stop_reason_of(diagnosis.kind)
        return cls._made({"stop_reason": stop_reason, "diagnosis": diagnosis.to_dict()})

    @classmethod
    def of_exception(cls, error: Exception) -> TrialRecord:
        """What is kept of a trial whose training raised this; called while it is handled."""
        said = f"{type(error).__name__}: {error}"[:LONGEST_ERROR]
        where = traceback.format_exc()
        return cls({"fail_reason": "exception", "error": said, "traceback": where})

    @classmethod
    def of_failure(cls, reason: FailReason, error: str | None = None) -> TrialRecord:
        """What is kept of a trial that has failed; `error` says what became of its worker."""
        kept = {"fail_reason": reason}
        return cls(kept if error is None else {**kept, "error": error})

    def write_to(self, trial: Trial) -> None:
        """Keep it in a trial that runs."""
        for name, value in self.attributes.items():
            trial.set_user_attr(name, value)

    @classmethod
    def _made(cls, attributes: Mapping[str, Any]) -> TrialRecord:
        return cls({**attributes, "record_version": RECORD_VERSION})
