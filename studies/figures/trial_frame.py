"""A study's trials as a tidy table with one row for each trial, which the report shows and
exports."""

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
"""The columns other than `trial` and the hyperparameters."""
BUDGET_COLUMNS = (
    "configuration",
    "budget",
    "replicate",
    "generation",
    "role",
    "continued_from",
    "epochs_trained",
    "seconds_trained",
)
"""What else is known of the trials of a search in budgets: see `search.study.runs`.

A run that was continued counts the shorter one in `epochs_run` and `train_seconds`; sums are those
of `epochs_trained` and `seconds_trained`.
"""
MEASURE_COLUMNS = ("parameters", "latency_ms", "latency_spread_ms")
"""What else is known of the trials of a search with further objectives."""
RESERVED = {"trial", *OUTCOME_COLUMNS, *BUDGET_COLUMNS, *MEASURE_COLUMNS}


def ended_trials(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that have ended and were not lost; not those that run or wait."""
    return [trial for trial in trials if trial.state.is_finished() and not is_lost(trial)]


def parameters(trials: Sequence[FrozenTrial]) -> list[str]:
    """The names of all hyperparameters, in the order in which they first occur in the trials."""
    return list(dict.fromkeys(name for trial in trials for name in trial.params))


def parameter_column(name: str) -> str:
    """The name of a hyperparameter's column, which is that of the hyperparameter.

    If another program has used the name of an outcome, such as `value`, for a hyperparameter, the
    column has the prefix `params_`, as all of them have in Optuna's own tables.
    """
    return f"params_{name}" if name in RESERVED else name


def trial_table(trials: Sequence[FrozenTrial]) -> pd.DataFrame:
    """A table with one row for each trial that has ended.

    The columns are `trial`, its number, then one for each hyperparameter, then OUTCOME_COLUMNS,
    and, of a search in budgets, BUDGET_COLUMNS and those of MEASURE_COLUMNS of which any is known.
    `value` is the validation accuracy after the last epoch that the trial ran; times are UTC. What
    is not known of a trial, such as the device of one that was added by hand, is a missing value.
    """
    columns = map(parameter_column, parameters(trials))
    rows = [_row(trial) for trial in ended_trials(trials)]
    budgets = BUDGET_COLUMNS if any(row["budget"] is not None for row in rows) else ()
    measures = [name for name in MEASURE_COLUMNS if any(row[name] is not None for row in rows)]
    return pd.DataFrame(rows, columns=["trial", *columns, *OUTCOME_COLUMNS, *budgets, *measures])


def _row(trial: FrozenTrial) -> dict[str, Any]:
    params = {parameter_column(name): value for name, value in trial.params.items()}
    record = TrialRecord.of(trial)
    planned = {name: getattr(record, name) for name in (*BUDGET_COLUMNS, *MEASURE_COLUMNS)}
    return {"trial": trial.number, **params, **_outcome(trial), **planned}


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
    """When a trial began and ended, by the clock of its machine; None if that is not recorded.

    If the clock was set back meanwhile, as local times are in autumn, the recorded end may lie
    before the start. Then the end is the start plus the recorded training time.
    """
    started, ended = trial.datetime_start, trial.datetime_complete
    if started is None or ended is None:
        return None
    if ended >= started:
        return started, ended
    return started, started + timedelta(seconds=TrialRecord.of(trial).train_seconds or 0.0)


def _utc(time: datetime | None) -> pd.Timestamp | None:
    """A time of Optuna's, which is local and has no time zone, in UTC."""
    return pd.Timestamp(time.astimezone()).tz_convert("UTC") if time is not None else None


def first_runs(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Of a search in budgets the first run of each configuration, of any other all trials.

    These can be compared with one another: they have one seed each and the same epochs. A
    configuration that was tried for longer at once is left out.
    """
    planned = [(trial, TrialRecord.of(trial)) for trial in trials]
    new = [(trial, record.budget) for trial, record in planned if record.role == "new"]
    if not new:
        return list(trials)
    smallest = min((budget for _, budget in new if budget is not None), default=None)
    return [trial for trial, budget in new if budget == smallest]


def last_value(trial: FrozenTrial) -> float | None:
    """The objective after the last epoch that was run.

    None if there is no such epoch, or if the objective is not finite.
    """
    values = trial.intermediate_values
    last = values[max(values)] if values else None
    value = trial.value if trial.value is not None else last
    return value if value is not None and math.isfinite(value) else None


def escaped(table: pd.DataFrame) -> pd.DataFrame:
    """The table with all strings, names of columns included, escaped for HTML."""
    safe = table.map(lambda value: html.escape(value) if isinstance(value, str) else value)
    return safe.rename(columns=lambda name: html.escape(str(name)))
