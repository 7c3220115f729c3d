"""The runs of the paper's comparison as tables: a row an epoch, a row a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial

from search.study.trials import ending

MEASURES = ("loss", "accuracy", "val_loss", "val_accuracy")
KEYS = ["arm", "learning_rate", "seed"]


def curve_table(trials: Sequence[FrozenTrial], epochs: int) -> pd.DataFrame:
    """A row an epoch of a run: arm, learning_rate, seed, epoch and the four measures.

    A run that was stopped because it is proved to be stuck keeps its figures to the last epoch,
    as it would have; its training loss is then the closed form's.
    """
    rows = [row for trial in trials for row in _epochs(trial, epochs)]
    return pd.DataFrame(rows, columns=[*KEYS, "epoch", *MEASURES])


def _epochs(trial: FrozenTrial, epochs: int) -> list[dict[str, Any]]:
    history, diagnosis = trial.user_attrs["history"], trial.user_attrs["diagnosis"]
    ran = len(history["loss"])
    rows = [
        {**trial.params, "epoch": epoch + 1, **{name: history[name][epoch] for name in MEASURES}}
        for epoch in range(ran)
    ]
    if ending(trial) == "stuck" and diagnosis["certain"]:
        frozen = {**rows[-1], "loss": diagnosis["explained_loss"]}
        rows += [{**frozen, "epoch": epoch} for epoch in range(ran + 1, epochs + 1)]
    return rows


def run_table(trials: Sequence[FrozenTrial], judged: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """A row a run: its parameters, ending, last validation figures, and test figures.

    A run that would have been stopped as stuck, but was let go on, has the ending "stuck, let go
    on".
    """
    rows = [
        {
            **trial.params,
            "ending": "stuck, let go on" if trial.user_attrs.get("recorded") else ending(trial),
            "val_accuracy": trial.user_attrs["history"]["val_accuracy"][-1],
            "val_loss": trial.user_attrs["history"]["val_loss"][-1],
        }
        for trial in trials
    ]
    test = pd.DataFrame(judged, columns=[*KEYS, "loss", "accuracy"])
    test = test.rename(columns={"loss": "test_loss", "accuracy": "test_accuracy"})
    return pd.DataFrame(rows).merge(test, on=KEYS, how="left")
