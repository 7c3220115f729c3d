"""The runs of the paper's comparison as tables: a row an epoch, a row a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial

from search.study import TrialRecord, ending

MEASURES = ("loss", "accuracy", "val_loss", "val_accuracy")
KEYS = ["arm", "learning_rate", "seed"]


def curve_table(trials: Sequence[FrozenTrial], epochs: int) -> pd.DataFrame:
    """A row an epoch of a run: arm, learning_rate, seed, epoch and the four measures.

    A run without a history, which another program may have added, has no rows.

    A run that was stopped because it is proved to be stuck keeps its figures to the last epoch,
    as it would have; its training loss is then the closed form's.
    """
    rows = [row for trial in trials for row in _epochs(trial, epochs)]
    return pd.DataFrame(rows, columns=[*KEYS, "epoch", *MEASURES])


def _epochs(trial: FrozenTrial, epochs: int) -> list[dict[str, Any]]:
    record = TrialRecord.of(trial)
    if (history := record.history) is None:
        return []
    ran = len(history["loss"])
    rows = [
        {**trial.params, "epoch": epoch + 1, **{name: history[name][epoch] for name in MEASURES}}
        for epoch in range(ran)
    ]
    found = record.diagnosis
    if ending(trial) == "stuck" and found is not None and found.certain:
        frozen = {**rows[-1], "loss": found.explained_loss}
        rows += [{**frozen, "epoch": epoch} for epoch in range(ran + 1, epochs + 1)]
    return rows


def _last(trial: FrozenTrial, measure: str) -> float | None:
    history = TrialRecord.of(trial).history
    return history[measure][-1] if history is not None else None


def run_table(trials: Sequence[FrozenTrial], judged: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """A row a run: its parameters, ending, last validation figures, and test figures.

    A run that would have been stopped as stuck, but was let go on, has the ending "stuck, let go
    on".
    """
    rows = [
        {
            **trial.params,
            "ending": "stuck, let go on" if TrialRecord.of(trial).recorded else ending(trial),
            "val_accuracy": _last(trial, "val_accuracy"),
            "val_loss": _last(trial, "val_loss"),
        }
        for trial in trials
    ]
    test = pd.DataFrame(judged, columns=[*KEYS, "loss", "accuracy"])
    test = test.rename(columns={"loss": "test_loss", "accuracy": "test_accuracy"})
    return pd.DataFrame(rows).merge(test, on=KEYS, how="left")
