"""What every arm of `benchmarks.search` is asked, and how it reports its progress."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.dataset.fashion_mnist import Images, load_train, split
from fmnist_model.utils.cli import PATHS
from search.presets.files import load_preset
from search.presets.preset import Preset
from search.presets.search_space import configurations


class Question(NamedTuple):
    """A preset, and how many training images, epochs and configurations there are."""

    preset: str
    images: int
    batch_size: int
    epochs: int
    trials: int

    def load(self) -> Preset:
        """The preset as it is asked here: without the arms that our search would try first.

        Where it names budgets that do not end with these epochs, the usual ones take their place.
        """
        tree = load_preset(self.preset, PATHS.presets).model_dump(exclude_unset=True)
        if "search" in tree and (tree["search"].get("budgets") or [0])[-1] != self.epochs:
            tree["search"] = {**tree["search"], "budgets": None}
        train = {**tree.get("train", {}), "epochs": self.epochs, "batch_size": self.batch_size}
        data = {"limit": self.images}
        return Preset.model_validate({**tree, "train": train, "data": data, "arms": []})

    def data(self) -> tuple[Images, Images]:
        """Training and validation images, the same for all arms."""
        return split(load_train(data_home=PATHS.data), self.images)

    def configurations(self, params: dict[str, Any], seed: int) -> tuple[ModelConfig, TrainConfig]:
        """The two configurations of parameters as Optuna stores them."""
        return configurations(self.load(), params, seed)


class Log:
    """The course of a search: at the end of each epoch the time, and the best accuracy so far."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._paused = self.stuck = 0.0
        self._trial = 0.0
        self.curve: list[tuple[float, float]] = []
        self.configurations = 0

    def now(self) -> float:
        """Seconds since the search began, pauses left out."""
        return time.perf_counter() - self._started - self._paused

    def begin(self, new: bool = True) -> None:
        """A trial begins: of a `new` configuration, or of one that is continued."""
        self._trial = self.now()
        self.configurations += new

    def epoch(self, accuracy: float | None) -> None:
        """An epoch has ended with this validation accuracy."""
        best = self.curve[-1][1] if self.curve else 0.0
        self.curve.append((round(self.now(), 3), max(best, accuracy or 0.0)))

    def end(self, stuck: bool) -> None:
        """A trial has ended."""
        if stuck:
            self.stuck += self.now() - self._trial

    @contextmanager
    def paused(self) -> Iterator[None]:
        """A context whose time belongs to the benchmark and is not counted as the search's."""
        began = time.perf_counter()
        yield
        self._paused += time.perf_counter() - began

    def row(self, best: float, params: dict[str, Any]) -> dict[str, Any]:
        """The outcome of the search: what it calls its `best`, and the parameters of that."""
        return {
            "seconds": self.now(),
            "epochs": len(self.curve),
            "configurations": self.configurations,
            "stuck_share": self.stuck / self.now(),
            "best": best,
            "params": params,
            "curve": self.curve,
        }
