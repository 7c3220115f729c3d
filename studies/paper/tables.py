"""The runs of the paper's comparison as tables, with a row for each epoch or for each run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial

from search.study import TrialRecord, ending

MEASURES = ("loss", "accuracy", "val_loss", "val_accuracy")
KEYS = ["arm", "learning_rate", "seed"]


def curve_table(trials: Sequence[FrozenTrial], epochs: int) -> pd.DataFrame:
    """A row for each epoch of each run: arm, learning_rate, seed, epoch and the four measures.

    A run without a history, which another program may have added, has no rows. A run that was
    stopped because it is proved to be stuck is continued to the last epoch with its last values,
    which would not have changed; its training loss is then that of the closed form.
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
    diagnosis = record.diagnosis
    if ending(trial) == "stuck" and diagnosis is not None and diagnosis.certain:
        frozen = {**rows[-1], "loss": diagnosis.explained_loss}
        rows += [{**frozen, "epoch": epoch} for epoch in range(ran + 1, epochs + 1)]
    return rows


def _last(trial: FrozenTrial, measure: str) -> float | None:
    history = TrialRecord.of(trial).history
    return history[measure][-1] if history is not None else None


def run_table(trials: Sequence[FrozenTrial], test_scores: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """A row for each run: its parameters, its ending, and its last validation and test scores.

    A run that was stuck but continued to its last epoch has the ending "stuck, let go on".
    `test_scores` are those of `search.execution.read_test_scores`.
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
    test = pd.DataFrame(test_scores, columns=[*KEYS, "loss", "accuracy"])
    test = test.rename(columns={"loss": "test_loss", "accuracy": "test_accuracy"})
    return pd.DataFrame(rows).merge(test, on=KEYS, how="left")
