"""The sections of a preset beside its configurations and its space, each with its defaults."""

from __future__ import annotations

from math import ceil, log
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from fmnist_model.config import Frozen

LONGEST_STEP = 20
"""A budget that a preset does not name is at most so many times the one before."""


class DataConfig(Frozen):
    """Which part of the data: `limit` keeps so many of the training images (None: all)."""

    limit: int | None = Field(None, ge=10)


class SamplerConfig(Frozen):
    """Who proposes configurations: one of Optuna's samplers."""

    name: Literal["tpe", "random", "grid", "qmc", "cmaes", "gp"] = "tpe"


class SearchConfig(Frozen):
    """How a search spends its epochs on many configurations: in budgets, one generation at a time.

    A configuration is first tried as a whole run of the smallest budget, learning-rate schedule and
    all, and the best are promoted to longer runs (successive halving, Jamieson and Talwalkar,
    https://arxiv.org/abs/1502.07943). The sampler proposes a generation at a time from what earlier
    ones showed, so that a search does not depend on how many workers it has or who was faster.

    Attributes:
        budgets: Epochs of the runs, rising to the preset's `epochs`; None takes `default_budgets`.
        reduction_factor: Of so many configurations tried at one budget, one goes on to the next.
        generation: How many new configurations a generation tries. Take at least as many as there
            are workers or slots.

    >>> SearchConfig(budgets=[1, 4, 16]).budgets
    (1, 4, 16)
    """

    budgets: tuple[Annotated[int, Field(ge=1)], ...] | None = Field(None, min_length=1)
    reduction_factor: int = Field(3, ge=2)
    generation: int = Field(8, ge=1)

    @model_validator(mode="after")
    def _check_order(self) -> SearchConfig:
        budgets = self.budgets or ()
        if list(budgets) != sorted(set(budgets)):
            raise ValueError(f"budgets: expected rising numbers of epochs, got {list(budgets)}")
        return self


def default_budgets(epochs: int) -> tuple[int, ...]:
    """The budgets of a preset that names none: few steps from 1 to `epochs`.

    Each is at most `LONGEST_STEP` times the last. A run between the shortest and the longest says
    little more than the shortest does, and where the learning rate follows a schedule it is a run
    of its own, that none goes on from.

    >>> default_budgets(16), default_budgets(100), default_budgets(1)
    ((1, 16), (1, 10, 100), (1,))
    """
    steps = max(1, ceil(round(log(epochs, LONGEST_STEP), 9)))
    return tuple(sorted({round(float(budget)) for budget in np.geomspace(1, epochs, steps + 1)}))


class PrunerConfig(Frozen):
    """Who stops runs that are worse than their peers: one of Optuna's pruners.

    `reduction_factor` is that of hyperband and successive_halving.
    """

    name: Literal["successive_halving", "hyperband", "median", "none"] = "successive_halving"
    reduction_factor: int = Field(3, ge=2)


class WorkersConfig(Frozen):
    """How trials that run side by side see each other.

    With `lag` trial n is sampled and pruned by what trials 0 to n - lag showed alone, all of which
    have ended by then: the study is then the same with any number of workers. A worker that has
    not been heard of for two `heartbeat` intervals (seconds) loses its trial to another.
    """

    lag: int | None = Field(None, ge=1)
    heartbeat: int = Field(60, ge=1)


class Arm(Frozen):
    """A named configuration that is tried before the sampler begins.

    The sampler chooses the hyperparameters that `params` leaves out.
    """

    name: str
    params: dict[str, Any]
