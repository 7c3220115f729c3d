"""A table of learning curves in place of training: it answers with the nearest run."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from benchmarks.curves.table import Record, read

CHANCE = 0.13
"""No constant answer has a better validation accuracy."""


class Curves:
    """Runs of one space. Asked for a point, it answers with the nearest run's whole curve.

    The distance is Gower's: 1 for each choice that differs, and for a range the difference as a
    share of it, on its own scale. A surrogate that averages runs would be smoother, but a mean of
    a stuck and a learning run is a curve that no run has, and pruners are about single curves.
    """

    def __init__(self, space: Mapping[str, BaseDistribution], records: Sequence[Record]) -> None:
        self.space, self.records = dict(space), list(records)
        self._points = np.array([self._scaled(record["params"]) for record in records])
        self._choice = np.array(
            [isinstance(d, CategoricalDistribution) for d in self.space.values()]
        )
        self.finals = np.array([final(record) for record in records])

    @classmethod
    def load(cls, path: Path) -> Curves:
        """Read a table in the form that git keeps."""
        return cls(*read(path))

    def _scaled(self, params: Mapping[str, Any]) -> list[float]:
        return [_scale(d, params[name]) for name, d in self.space.items()]

    def nearest(self, params: Mapping[str, Any], leave_out: Collection[int] = ()) -> int:
        """The index of the run nearest to a point; those of `leave_out` are not considered."""
        apart = np.abs(self._points - self._scaled(params))
        distances = np.where(self._choice, apart > 0, apart).sum(axis=1)
        distances[list(leave_out)] = np.inf
        return int(np.argmin(distances))

    def fidelity(self) -> float:
        """How well the nearest other run's final accuracy ranks the runs: Spearman's rho."""
        from scipy.stats import spearmanr

        others = [
            self.finals[self.nearest(record["params"], leave_out=[index])]
            for index, record in enumerate(self.records)
        ]
        return float(spearmanr(self.finals, others).statistic)

    def slow_starters(self, share: float = 0.1) -> frozenset[int]:
        """The runs that end among the best `share` of all, and after their first epoch were not
        in the better half of those that learn: they alone are what pruning may cost."""
        learners = np.flatnonzero(self.finals > CHANCE)
        best = self.finals >= np.quantile(self.finals, 1 - share)
        first = np.array([_first(record) for record in self.records])
        return frozenset(np.flatnonzero(best & (first < np.median(first[learners]))).tolist())


class WholeRuns:
    """What whole runs of fewer epochs come to, too, for every run of `curves`.

    Where the learning rate is constant it is what the curve shows after so many epochs, and a
    longer run goes on from a shorter one. Else it is a run of its own, one of the records
    `shorter`, whose schedule ends with it; configurations that lack one are left out.
    """

    def __init__(self, curves: Curves, shorter: Sequence[Record]) -> None:
        self._shorter = {record["key"]: record for record in shorter}
        budgets = {int(key.rpartition("@")[2]) for key in self._shorter}
        kept = [
            record
            for record in curves.records
            if _is_constant(record) or all(f"{record['key']}@{b}" in self._shorter for b in budgets)
        ]
        self.curves = Curves(curves.space, kept)
        self.epochs = max(len(accuracies(record)) for record in kept)

    @classmethod
    def load(cls, path: Path) -> WholeRuns:
        """Read a table in the form that git keeps, and that of the shorter runs if there is one."""
        name, *endings = path.name.split(".")
        shorter = path.with_name(".".join([f"{name}-shorter", *endings]))
        return cls(Curves.load(path), read(shorter)[1] if shorter.is_file() else [])

    def run(self, index: int, budget: int, before: int) -> tuple[float | None, float]:
        """The value of a run of `budget` epochs, None if it was stopped, and the epochs it costs.

        `before` is the longest budget that the configuration was tried at, 0 if it is new.
        """
        record, done = self.curves.records[index], before
        if not _is_constant(record):
            done = 0
            if budget < self.epochs:
                record = self._shorter[f"{record['key']}@{budget}"]
        ends = stop(record)
        if ends is not None and ends[0] <= budget:
            return None, max(0.0, ends[1] - done)
        return accuracies(record)[budget - 1], float(budget - done)


def _is_constant(record: Record) -> bool:
    return bool(record["params"].get("schedule", "constant") == "constant")


def _scale(distribution: BaseDistribution, value: Any) -> float:
    if isinstance(distribution, CategoricalDistribution):
        return float(distribution.choices.index(value))
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = float(distribution.low), float(distribution.high)
    if distribution.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    return (float(value) - low) / (high - low) if high > low else 0.0


def accuracies(record: Record) -> list[float]:
    """Validation accuracy after each epoch that the run reached; 0 where it was not finite."""
    return [value or 0.0 for value in record["curves"]["val_accuracy"]]


def final(record: Record) -> float:
    """The accuracy after the last epoch; 0 for a run that diverged."""
    return 0.0 if record["stop_reason"] == "diverged" else accuracies(record)[-1]


def _first(record: Record) -> float:
    return accuracies(record)[0]


def stop(record: Record) -> tuple[int, float] | None:
    """The epoch in which our detector ends the run, and how many epochs that costs; else None.

    A run that diverges ends in its last epoch under any rule.
    """
    recorded = record["recorded"]
    if recorded is not None:
        steps = record["steps"] / len(record["curves"]["val_accuracy"])
        return recorded["epoch"], recorded["epoch"] - 1 + min(1.0, recorded["step"] / steps)
    if record["stop_reason"] == "diverged":
        return len(accuracies(record)), float(len(accuracies(record)))
    return None
