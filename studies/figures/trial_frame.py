"""A study's trials as a tidy table, one row a trial; what the report shows and what it exports."""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial

from search.study.trials import ARM, ending, is_lost

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


def ended_trials(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that have ended by themselves: not lost, running or waiting."""
    return [trial for trial in trials if trial.state.is_finished() and not is_lost(trial)]


def parameters(trials: Sequence[FrozenTrial]) -> list[str]:
    """Names of the hyperparameters, in the order in which trials have them."""
    return list(dict.fromkeys(name for trial in trials for name in trial.params))


def trial_table(trials: Sequence[FrozenTrial]) -> pd.DataFrame:
    """One row a trial that has ended: its number, hyperparameters and the columns of OUTCOME.

    `value` is the validation accuracy after the last epoch that it ran; times are UTC.
    """
    names = parameters(trials)
    rows = [_row(trial) for trial in ended_trials(trials)]
    return pd.DataFrame(rows, columns=["trial", *names, *OUTCOME_COLUMNS])


def _row(trial: FrozenTrial) -> dict[str, Any]:
    attributes = trial.user_attrs
    diagnosis = attributes.get("diagnosis") or {}
    worker = attributes.get("worker") or {}
    started, ended = trial_span(trial) or (None, None)
    return {
        "trial": trial.number,
        **trial.params,
        "ending": ending(trial),
        "value": last_value(trial),
        "kind": diagnosis.get("kind"),
        "layer": diagnosis.get("layer"),
        "since_epoch": diagnosis.get("epoch"),
        "since_step": diagnosis.get("step"),
        "certain": diagnosis.get("certain"),
        "message": diagnosis.get("message") or attributes.get("error"),
        "epochs_run": attributes.get("epochs_run"),
        "steps_run": attributes.get("steps_run"),
        "train_seconds": attributes.get("train_seconds"),
        "images_per_second": attributes.get("images_per_second"),
        "engine": attributes.get("engine"),
        "precision": attributes.get("precision"),
        "device": attributes.get("device"),
        "training_seed": attributes.get("seed"),
        "arm": attributes.get(ARM),
        "worker": f"{worker['host']}:{worker['pid']}" if worker else None,
        "started": _utc(started),
        "ended": _utc(ended),
    }


def trial_span(trial: FrozenTrial) -> tuple[datetime, datetime] | None:
    """When a trial began and ended, by the clock of its machine.

    By one that was set back meanwhile, as local times are in autumn, it may have ended before it
    began: then it is taken to have ended when it had trained for as long as it did.
    """
    started, ended = trial.datetime_start, trial.datetime_complete
    if started is None or ended is None:
        return None
    trained = timedelta(seconds=trial.user_attrs.get("train_seconds", 0.0))
    return started, ended if ended >= started else started + trained


def _utc(time: Any) -> pd.Timestamp | None:
    """Optuna notes the time of its machine without a zone."""
    return pd.Timestamp(time.astimezone()).tz_convert("UTC") if time is not None else None


def last_value(trial: FrozenTrial) -> float | None:
    """The objective after the last epoch that was run, None where there was none."""
    if trial.value is not None:
        return trial.value
    values = trial.intermediate_values
    return values[max(values)] if values else None


def escaped(table: pd.DataFrame) -> pd.DataFrame:
    """The same table, with whatever a browser could take for markup made harmless."""
    safe = table.map(lambda value: html.escape(value) if isinstance(value, str) else value)
    return safe.rename(columns=lambda name: html.escape(str(name)))
