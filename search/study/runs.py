"""The runs of a search in budgets: what is planned, and how it ended.

A *configuration* is a set of hyperparameters, named by the ordinal of the trial that tried it
first. A *run* trains it for a budget of epochs with one of its seeds, its *replicates*; each run is
a trial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from optuna.trial import FrozenTrial, Trial

from search.study.posterior import CHANCE
from search.study.trial_record import Role, TrialRecord
from search.study.trials import is_lost, objective_value

MEASURED = ("train_seconds", "latency_ms", "latency_spread_ms")
"""The fields of a trial's record that are figures of a run, and another with every run."""
LEARNED = 2 * CHANCE
"""A run that ends below this accuracy, twice what guessing reaches, has not begun to learn."""


class RunKey(NamedTuple):
    """Which run: of which configuration, for how many epochs, and with which of its seeds."""

    configuration: int
    budget: int
    replicate: int = 0


@dataclass(frozen=True)
class PlannedRun:
    """A run that is to be made.

    `params` are the stored values of all searched hyperparameters, `system_attrs` what the sampler
    keeps of the trial that tries the configuration, and `arm` is the name of the preset's arm that
    it tries, if it does.
    """

    key: RunKey
    role: Role
    params: Mapping[str, Any]
    arm: str | None = None
    system_attrs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EndedRun:
    """A run that has ended.

    `value` is its validation accuracy; None if it was stuck, has diverged or failed. `number` is
    its trial's, and `arm` the name of the preset's arm that it tries, if it does. `measured` has
    what is known of `MEASURED` where the run has completed. `has_learned` says whether it reached
    `LEARNED`.
    """

    key: RunKey
    params: Mapping[str, Any]
    value: float | None
    generation: int
    number: int
    system_attrs: Mapping[str, Any] = field(default_factory=dict)
    arm: str | None = None
    measured: Mapping[str, float] = field(default_factory=dict)
    has_learned: bool = True


def key_of(trial: FrozenTrial | Trial) -> RunKey | None:
    """Which run a trial is; None where it was not planned by a search in budgets."""
    record = TrialRecord.of(trial)
    configuration, budget, replicate = record.configuration, record.budget, record.replicate
    if configuration is None or budget is None or replicate is None:
        return None
    return RunKey(configuration, budget, replicate)


def ended_runs(trials: Sequence[FrozenTrial]) -> list[EndedRun]:
    """The runs that have ended, in the order of their ordinals; of two tries of a run the last.

    Lost trials are left out, and so are those that were not planned by a search in budgets.
    """
    found: dict[int, EndedRun] = {}
    for trial in trials:
        key, record = key_of(trial), TrialRecord.of(trial)
        if key is None or not trial.state.is_finished() or is_lost(trial):
            continue
        ordinal = record.ordinal if record.ordinal is not None else trial.number
        value = objective_value(trial)
        found[ordinal] = EndedRun(
            key,
            trial.params,
            value,
            record.generation or 0,
            trial.number,
            trial.system_attrs,
            record.arm,
            _measured(record) if value is not None else {},
            value is not None and value >= LEARNED,
        )
    return [found[ordinal] for ordinal in sorted(found)]


def _measured(record: TrialRecord) -> dict[str, float]:
    found = {name: getattr(record, name) for name in MEASURED}
    return {name: value for name, value in found.items() if value is not None}


def epochs_in_words(epochs: int) -> str:
    """A number of epochs.

    >>> epochs_in_words(1), epochs_in_words(4)
    ('1 epoch', '4 epochs')
    """
    return f"{epochs} epoch{'s' if epochs != 1 else ''}"


def run_in_words(trial: FrozenTrial | Trial) -> str:
    """Which run a trial is: "configuration 3, race, seed 2, 10 epochs"; "" if it is none."""
    key, role = key_of(trial), TrialRecord.of(trial).role
    if key is None or role is None:
        return ""
    seed = f", seed {key.replicate}" if role == "race" else ""
    return f"configuration {key.configuration}, {role}{seed}, {epochs_in_words(key.budget)}"
