"""A study's trials as a tidy table, one row a trial: what the report shows and what it exports."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial

from search.study import ProcessIdentity, TrialRecord, ending, is_lost

OUTCOME_COLUMNS = (
    "ending",
    "value",
    "kind",
    "layer",
    "since_epoch",
    "since_step",
    "certain",
    "message",
    "epochs_run",
    "steps_run",
    "train_seconds",
    "images_per_second",
    "engine",
    "precision",
    "device",
    "training_seed",
    "arm",
    "worker",
    "started",
    "ended",
)
"""The columns beside `trial` and the hyperparameters."""
RESERVED = {"trial", *OUTCOME_COLUMNS}


def ended_trials(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that have ended by themselves: not lost, running or waiting."""
    return [trial for trial in trials if trial.state.is_finished() and not is_lost(trial)]


def parameters(trials: Sequence[FrozenTrial]) -> list[str]:
    """Names of the hyperparameters, in the order in which trials have them."""
    return list(dict.fromkeys(name for trial in trials for name in trial.params))


def parameter_column(name: str) -> str:
    """The column of a hyperparameter: its name.

    Another program may have given one the name of an outcome, such as `value`; that one gets the
    prefix that Optuna's own tables give to all of them.
    """
    return f"params_{name}" if name in RESERVED else name


def trial_table(trials: Sequence[FrozenTrial]) -> pd.DataFrame:
    """One row for each trial that has ended: `trial`, its number, then a column for each
    hyperparameter, then OUTCOME_COLUMNS.

    `value` is the validation accuracy after the last epoch that the trial ran; times are UTC. What
    is not known of a trial, such as the device of one that was added by hand, is missing.
    """
    columns = map(parameter_column, parameters(trials))
    rows = [_row(trial) for trial in ended_trials(trials)]
    return pd.DataFrame(rows, columns=["trial", *columns, *OUTCOME_COLUMNS])


def _row(trial: FrozenTrial) -> dict[str, Any]:
    params = {parameter_column(name): value for name, value in trial.params.items()}
    return {"trial": trial.number, **params, **_outcome(trial)}


def _outcome(trial: FrozenTrial) -> dict[str, Any]:
    record = TrialRecord.of(trial)
    diagnosis = record.diagnosis
    started, ended = trial_span(trial) or (None, None)
    return {
        "ending": ending(trial),
        "value": last_value(trial),
        "kind": diagnosis and diagnosis.kind,
        "layer": diagnosis and diagnosis.layer,
        "since_epoch": diagnosis and diagnosis.epoch,
        "since_step": diagnosis and diagnosis.step,
        "certain": diagnosis and diagnosis.certain,
        "message": (diagnosis and diagnosis.message) or record.error,
        "epochs_run": record.epochs_run,
        "steps_run": record.steps_run,
        "train_seconds": record.train_seconds,
        "images_per_second": record.images_per_second,
        "engine": record.engine,
        "precision": record.precision,
        "device": record.device,
        "training_seed": record.seed,
        "arm": record.arm,
        "worker": _process_name(record.worker),
        "started": _utc(started),
        "ended": _utc(ended),
    }


def _process_name(worker: ProcessIdentity | None) -> str | None:
    return f"{worker.host}:{worker.pid}" if worker is not None else None


def trial_span(trial: FrozenTrial) -> tuple[datetime, datetime] | None:
    """When a trial began and ended, by the clock of its machine.

    If that clock was set back meanwhile, as local times are in autumn, the trial may have ended
    before it began: then it is taken to have ended when it had trained for as long as it did.
    """
    started, ended = trial.datetime_start, trial.datetime_complete
    if started is None or ended is None:
        return None
    if ended >= started:
        return started, ended
    return started, started + timedelta(seconds=TrialRecord.of(trial).train_seconds or 0.0)


def _utc(time: datetime | None) -> pd.Timestamp | None:
    """Optuna keeps the local time of its machine, without a time zone."""
    return pd.Timestamp(time.astimezone()).tz_convert("UTC") if time is not None else None


def last_value(trial: FrozenTrial) -> float | None:
    """The objective after the last epoch that was run; None where there was none, or where it is
    not finite."""
    values = trial.intermediate_values
    last = values[max(values)] if values else None
    value = trial.value if trial.value is not None else last
    return value if value is not None and math.isfinite(value) else None


def escaped(table: pd.DataFrame) -> pd.DataFrame:
    """The same table, with whatever a browser could take for markup made harmless."""
    safe = table.map(lambda value: html.escape(value) if isinstance(value, str) else value)
    return safe.rename(columns=lambda name: html.escape(str(name)))
