"""The table of learning curves: what it holds, and how it is read.

Each run is one line of JSON: the parameters of the preset, the curves of every epoch, the seconds
of each epoch, and the diagnosis. No run was stopped; `recorded` says when the diagnosis would have
stopped it. The first line of a packed table holds the search space, so that the table can still be
read after the preset has changed.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.distributions import (
    BaseDistribution,
    distribution_to_json,
    json_to_distribution,
)

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.dataset.fashion_mnist import SPLIT
from fmnist_model.utils.cli import PATHS
from search.presets.files import load_preset
from search.presets.preset import Preset
from search.presets.search_space import configurations, distributions, stored_params

Record = dict[str, Any]
STORED = Path("benchmarks/curves")
VALIDATION = 3000
"""Validation images of every run; the standard error of an accuracy of .85 is .0065."""
FULL = round(60_000 * (1 - SPLIT["test_size"]))


BUDGETS = (1, 2, 4, 8)
"""The epochs of the shorter runs."""


class Scale(NamedTuple):
    """How much smaller a run is than the real one: its training images, and the divisor of
    batches."""

    images: int
    shrink: int


SCALES: Mapping[str, Scale] = {"paper": Scale(6000, 8), "wide": Scale(4000, 4)}
"""The paper's runs keep their 480 steps: what a sigmoid network does is a matter of steps, and an
eighth of the images in batches of an eighth makes as many. The wide ones make a third of theirs."""


class Run(NamedTuple):
    """One configuration of a preset, as it is trained for the table."""

    key: str
    params: dict[str, Any]
    model: ModelConfig
    train: TrainConfig


def runs(name: str, count: int) -> list[Run]:
    """The arms of the preset, then random points of its space, each seeded by its own number."""
    preset = load_preset(name, PATHS.presets)
    arms = [
        _run(preset, f"{name}-arm-{number}", stored_params(arm.params), number, SCALES[name])
        for number, arm in enumerate(preset.arms)
    ]
    sampled = [
        _run(preset, f"{name}-{number}", _sampled(preset, number), 100 + number, SCALES[name])
        for number in range(count)
    ]
    return [*arms, *sampled]


def _sampled(preset: Preset, number: int) -> dict[str, Any]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=number))
    return study.ask(distributions(preset)).params


def _run(preset: Preset, key: str, params: dict[str, Any], seed: int, scale: Scale) -> Run:
    model, train = configurations(preset, params, seed)
    changes = {"batch_size": max(1, train.batch_size // scale.shrink), "on_stuck": "record"}
    return Run(key, params, model, train.model_copy(update=changes))


def shorter(whole: Sequence[Run]) -> list[Run]:
    """Whole runs of BUDGETS epochs each, whose schedule ends there, with the seeds of `whole`.

    Where the learning rate is constant a shorter run is the beginning of a longer one, whose curve
    the table has already.
    """
    return [
        run._replace(
            key=f"{run.key}@{budget}", train=run.train.model_copy(update={"epochs": budget})
        )
        for run in whole
        if run.train.schedule != "constant"
        for budget in BUDGETS
    ]


def pack(lines: Sequence[str], name: str) -> bytes:
    """Write a table in the form that git keeps: the sampled space, then one line for each run."""
    space = {
        n: distribution_to_json(d)
        for n, d in distributions(load_preset(name, PATHS.presets)).items()
    }
    header = json.dumps({"space": space, "scale": SCALES[name]._asdict()})
    return gzip.compress("\n".join([header, *lines]).encode(), mtime=0)


def read(path: Path) -> tuple[dict[str, BaseDistribution], list[Record]]:
    """The space and the records of a packed table."""
    header, *lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    space = json.loads(header)["space"]
    found = {name: json_to_distribution(text) for name, text in space.items()}
    return found, [json.loads(line) for line in lines]
