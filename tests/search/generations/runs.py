"""Made-up runs of a search in budgets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from search.presets.files import parse_preset
from search.presets.preset import Preset
from search.study.runs import EndedRun, PlannedRun, RunKey

RANGES = {
    "dropout": {"low": 0.0, "high": 0.5},
    "learning_rate": {"low": 0.01, "high": 1.0, "log": True},
}
GRID = {"dropout": [0.0, 0.25, 0.5], "momentum": [0.0, 0.9]}


def preset(sampler: str = "tpe", budgets=(1, 4, 16), space=None, arms=(), **search: Any) -> Preset:
    tree = {
        "train": {"epochs": budgets[-1]},
        "space": space or (GRID if sampler == "grid" else RANGES),
        "sampler": {"name": sampler},
        "search": {"budgets": list(budgets), "reduction_factor": 2, **search},
        "arms": list(arms),
    }
    return parse_preset(tree, "made-up.toml")


def ended(
    configuration: int, budget: int, value: float | None, replicate: int = 0, **more: Any
) -> EndedRun:
    """A run of a configuration whose parameters are its own."""
    params = {"dropout": configuration % 50 / 100, "learning_rate": 0.01 + configuration % 90 / 100}
    key = RunKey(configuration, budget, replicate)
    return EndedRun(key, params, value, 0, configuration, **more)


def accuracy(run: PlannedRun) -> float:
    """A made-up accuracy: it is best without dropout, and rises with the budget."""
    return 0.9 - run.params.get("dropout", 0) - 0.3 / run.key.budget + run.key.replicate / 1e4


def end_all(planned: Sequence[PlannedRun], generation: int, ordinal: int, value=accuracy):
    """How the runs of a generation ended."""
    return [
        EndedRun(
            run.key, run.params, value(run), generation, ordinal + n, run.system_attrs, run.arm
        )
        for n, run in enumerate(planned)
    ]
