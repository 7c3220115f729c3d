"""What a study says: its best trial, what it cost, what early stops saved, and what to do next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial

from fmnist_model.config import TrainConfig
from search.preset import Preset
from search.stopping import reason
from search.trials import best_trials, ending
from studies.table import last_value, tried

TRAIN_IMAGES, VALIDATION_IMAGES = 48_000, 12_000
"""The paper's split; a preset's `data.limit` shrinks both alike."""
EDGE = 0.05
"""So near to the end of a range, as a share of it, a best value lies on the boundary."""
ENOUGH = 3
"""So many trials a choice has to have had before it is judged."""
CLEARLY = 0.02
"""So much validation accuracy less is clearly worse."""
FREE = ("learning_rate", "momentum", "dropout", "output_activation")
"""Hyperparameters that do not change how long a step takes."""
DRAWS = 20_000


class Saved(NamedTuple):
    """Seconds of training that each trial with one ending did not use."""

    each: list[float]

    @property
    def seconds(self) -> float:
        """Those of all of them."""
        return sum(self.each)

    @property
    def trials(self) -> int:
        """How many they are."""
        return len(self.each)


class Optimism(NamedTuple):
    """By how much the best of `trials` is expected to look better than it is."""

    mean: float
    high: float
    trials: int
    images: int


class Answer(NamedTuple):
    """The study in short; `best` is None while no trial has completed."""

    best: FrozenTrial | None
    train_seconds: float
    wall_seconds: float
    saved: dict[str, Saved]
    optimism: Optimism | None
    advice: list[str]


def answer(
    preset: Preset, trials: Sequence[FrozenTrial], stopped: dict[str, Any] | None = None
) -> Answer:
    """Work the answer out from a study's trials, and its attribute `search.stopping.STOPPED`."""
    ended = tried(trials)
    best = best_trials(ended, 1)
    seconds = sum(trial.user_attrs.get("train_seconds", 0.0) for trial in ended)
    return Answer(
        best=best[0] if best else None,
        train_seconds=seconds,
        wall_seconds=_wall(ended),
        saved=saved(preset, ended),
        optimism=optimism(preset, ended),
        advice=advice(ended, stopped),
    )


def _wall(ended: Sequence[FrozenTrial]) -> float:
    """Seconds in which at least one trial ran: pauses between two searches do not count."""
    spans = sorted(
        (trial.datetime_start.timestamp(), trial.datetime_complete.timestamp())
        for trial in ended
        if trial.datetime_start and trial.datetime_complete
    )
    total, until = 0.0, -math.inf
    for start, end in spans:
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def saved(preset: Preset, ended: Sequence[FrozenTrial]) -> dict[str, Saved]:
    """What stopping early saved, by ending, against running every trial to its last epoch.

    The steps that were left, times the median time of a step (its share of validation included)
    among the study's completed and pruned trials of the same network and batch size; where there
    is none, among all of them by images.
    """
    costs = _Costs(preset, ended)
    return {
        name: Saved([costs.left(trial) for trial in ended if ending(trial) == name])
        for name in ("stuck", "pruned", "diverged")
    }


class _Costs:
    """Seconds an image in training, by what a network costs, from trials that ran whole epochs."""

    def __init__(self, preset: Preset, ended: Sequence[FrozenTrial]) -> None:
        self.preset = preset
        self.images = preset.data.limit or TRAIN_IMAGES
        self.known: dict[Any, list[float]] = {}
        for trial in ended:
            attributes = trial.user_attrs
            if ending(trial) in ("completed", "pruned") and attributes.get("epochs_run"):
                cost = attributes["train_seconds"] / (attributes["epochs_run"] * self.images)
                for key in (self._key(trial), None):
                    self.known.setdefault(key, []).append(cost)

    def _key(self, trial: FrozenTrial) -> Any:
        return frozenset((name, value) for name, value in trial.params.items() if name not in FREE)

    def left(self, trial: FrozenTrial) -> float:
        """Seconds that the trial would have gone on for."""
        costs = self.known.get(self._key(trial)) or self.known.get(None)
        if not costs:
            return 0.0
        batch = trial.params.get("batch_size", TrainConfig(**self.preset.train).batch_size)
        total = self.preset.epochs * self.images
        images = max(0, total - int(trial.user_attrs.get("steps_run", 0)) * batch)
        return float(images * median(costs))


def optimism(preset: Preset, ended: Sequence[FrozenTrial]) -> Optimism | None:
    """How much better than it is the winner looks because it was chosen on these images.

    A parametric bootstrap: each completed trial's accuracy is drawn anew around the one that it
    had, with the binomial variance of so many validation images, the best of each draw is chosen,
    and what it drew above its own accuracy is its optimism. Draws are independent between trials.
    In truth trials share the images and err alike, which moves all of them together and favours
    none: for the images' part this is an upper estimate. That a seed was lucky is not in it.
    """
    values = np.array([trial.value for trial in best_trials(ended, len(ended))])
    if len(values) < 2:
        return None
    images = VALIDATION_IMAGES
    if preset.data.limit is not None:
        images = max(1, round(preset.data.limit * VALIDATION_IMAGES / TRAIN_IMAGES))
    spread = np.sqrt(values * (1 - values) / images)
    near = values >= values[0] - 8 * spread.max()  # the others can never win
    noise = np.random.default_rng(0).normal(size=(DRAWS, near.sum())) * spread[near]
    gain = noise[np.arange(DRAWS), np.argmax(values[near] + noise, axis=1)]
    return Optimism(float(gain.mean()), float(np.quantile(gain, 0.975)), len(values), images)


def advice(ended: Sequence[FrozenTrial], stopped: dict[str, Any] | None = None) -> list[str]:
    """What the search suggests doing next, a sentence each, and why it was stopped if it was."""
    best = best_trials(ended, 1)
    if not best:
        return ["No trial has completed: search on, or look at the stuck runs below."]
    progress = _progress(best[0], ended)
    if stopped is not None:
        progress = [f"The search was stopped early: {reason(stopped)}."]
    said = [*_boundaries(best[0]), *_choices(best[0], ended), *progress]
    return [*said, "Export the best configuration and judge it: make export, then make evaluate."]


def _boundaries(best: FrozenTrial) -> list[str]:
    said = []
    for name, distribution in best.distributions.items():
        if isinstance(distribution, CategoricalDistribution) or distribution.single():
            continue
        assert isinstance(distribution, FloatDistribution | IntDistribution)
        place = position(best.params[name], distribution)
        if place <= EDGE or place >= 1 - EDGE:
            end, limit = (
                ("lower", distribution.low) if place <= EDGE else ("upper", distribution.high)
            )
            said.append(
                f"{name} of the best trial, {best.params[name]:.3g}, lies at the {end} end of its "
                f"range ({limit:g}): widen the range there."
            )
    return said


def position(value: float, distribution: FloatDistribution | IntDistribution) -> float:
    """Where a value lies in its range, from 0 to 1, by logarithms in a logarithmic range."""
    low, high = float(distribution.low), float(distribution.high)
    if distribution.log:
        value, low, high = math.log(value), math.log(low), math.log(high)
    return (value - low) / (high - low)


def _choices(best: FrozenTrial, ended: Sequence[FrozenTrial]) -> list[str]:
    said = []
    for name, distribution in best.distributions.items():
        if not isinstance(distribution, CategoricalDistribution):
            continue
        for choice in distribution.choices:
            having = [trial for trial in ended if trial.params.get(name) == choice]
            verdict = _verdict(having, best)
            if choice != best.params[name] and verdict:
                said.append(f"{name} = {choice}: {verdict}. Leave it out.")
    return said


def _verdict(having: Sequence[FrozenTrial], best: FrozenTrial) -> str | None:
    """What speaks against a choice, None where nothing does or it has hardly been tried."""
    if len(having) < ENOUGH or best.value is None:
        return None
    stuck = sum(ending(trial) in ("stuck", "diverged") for trial in having)
    if stuck == len(having):
        return f"all {stuck} trials were stuck or diverged"
    highest = max((value for t in having if (value := last_value(t)) is not None), default=0.0)
    if highest < best.value - CLEARLY:
        return f"never better than {highest:.4f} in {len(having)} trials"
    return None


def _progress(best: FrozenTrial, ended: Sequence[FrozenTrial]) -> list[str]:
    since = sum(trial.number > best.number for trial in ended)
    if since >= max(10, len(ended) // 3):
        return [
            f"The last {since} of {len(ended)} trials brought nothing better: more trials in this "
            f"space will hardly help; change the space."
        ]
    return (
        [
            f"The best trial came late, {since} trials ago: searching on may still help "
            f"(make search TRIALS={2 * len(ended)})."
        ]
        if len(ended) >= 10
        else ["These are few trials: search on."]
    )
