"""The sections of a preset beside its configurations and its space, each with its defaults."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from fmnist_model.config import Frozen


class DataConfig(Frozen):
    """Which part of the data: `limit` keeps so many of the training images (None: all)."""

    limit: int | None = Field(None, ge=10)


class SamplerConfig(Frozen):
    """Who proposes configurations: one of Optuna's samplers."""

    name: Literal["tpe", "random", "grid", "qmc", "cmaes", "gp"] = "tpe"


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
