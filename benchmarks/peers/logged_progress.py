"""The progress of this toolkit's search, written to a benchmark's log instead of the terminal."""

from __future__ import annotations

import io

from optuna.trial import FrozenTrial, Trial
from rich.console import Console

from benchmarks.peers.question import Log
from fmnist_model.training.run_counts import EpochMetrics
from search.console.progress import Progress
from search.study.trial_record import TrialRecord


def is_new(trial: Trial | FrozenTrial) -> bool:
    """Does the trial try a configuration for the first time? In a search without budgets all do."""
    return TrialRecord.of(trial).role in ("new", None)


class LoggedProgress(Progress):
    """A search's progress that is shown to nobody and reported to a log."""

    def __init__(self, log: Log) -> None:
        super().__init__(Console(file=io.StringIO()))
        self._log = log

    def start(self, trial: Trial) -> None:
        """A trial begins."""
        self._log.begin(is_new(trial))
        super().start(trial)

    def epoch(self, metrics: EpochMetrics) -> None:
        """An epoch has ended."""
        self._log.epoch(metrics.val_accuracy)
        super().epoch(metrics)
