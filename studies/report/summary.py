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
from fmnist_model.hyperparameters import HYPERPARAMETERS, shown
from search.algorithms import stop_sentence
from search.presets import Preset
from search.study import TrialRecord, best_trials, ending, is_finished
from studies.figures import ended_trials, last_value, trial_span
from studies.report.commands import Command, Wording, as_python

TRAIN_IMAGES, VALIDATION_IMAGES = 48_000, 12_000
"""The paper's split; a preset's `data.limit` shrinks both alike."""
BOUNDARY_SHARE = 0.05
"""So near to the end of a range, as a share of it, a best value lies on the boundary."""
MIN_TRIALS_PER_CHOICE = 5
"""So many trials a choice has to have had before it is judged."""
CLEAR_ACCURACY_GAP = 0.02
"""So much validation accuracy less is clearly worse."""
FEW_TRIALS = 10
"""Fewer trials say nothing of whether more would help."""
BOOTSTRAP_DRAWS = 20_000


class TimeSaved(NamedTuple):
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


class SelectionBias(NamedTuple):
    """By how much the best of `trials` is expected to look better than it is."""

    mean: float
    high: float
    trials: int
    images: int


class StudySummary(NamedTuple):
    """The study in short; `best` is None while no trial has completed."""

    best: FrozenTrial | None
    train_seconds: float
    wall_seconds: float
    time_saved: dict[str, TimeSaved]
    selection_bias: SelectionBias | None
    advice: list[str]


def summarize(
    preset: Preset,
    trials: Sequence[FrozenTrial],
    wording: Wording = as_python,
    stopped: dict[str, Any] | None = None,
) -> StudySummary:
    """Work the answer out from a study's trials; for `wording` and `stopped` see `advice`."""
    ended = ended_trials(trials)
    best = best_trials(ended, 1)
    seconds = sum(TrialRecord.of(trial).train_seconds or 0.0 for trial in ended)
    return StudySummary(
        best=best[0] if best else None,
        train_seconds=seconds,
        wall_seconds=_wall(ended),
        time_saved=time_saved(preset, ended),
        selection_bias=selection_bias(preset, ended),
        advice=advice(ended, wording, stopped),
    )


def _wall(ended: Sequence[FrozenTrial]) -> float:
    """Seconds in which at least one trial ran: pauses between two searches do not count."""
    spans = [span for trial in ended if (span := trial_span(trial)) is not None]
    total, until = 0.0, -math.inf
    for start, end in sorted((start.timestamp(), end.timestamp()) for start, end in spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def time_saved(preset: Preset, ended: Sequence[FrozenTrial]) -> dict[str, TimeSaved]:
    """What stopping early saved, by ending, against running every trial to its last epoch.

    The steps that were left, times the median time of a step (its share of validation included)
    among the study's completed and pruned trials of the same network and batch size; where there
    is none, among all of them by images.
    """
    costs = _Costs(preset, ended)
    return {
        name: TimeSaved([costs.left(trial) for trial in ended if ending(trial) == name])
        for name in ("stuck", "pruned", "diverged")
    }


class _Costs:
    """Seconds an image in training, by what a network costs, from trials that ran whole epochs."""

    def __init__(self, preset: Preset, ended: Sequence[FrozenTrial]) -> None:
        self.preset = preset
        self.images = preset.data.limit or TRAIN_IMAGES
        self.known: dict[Any, list[float]] = {}
        for trial in ended:
            record = TrialRecord.of(trial)
            epochs, seconds = record.epochs_run, record.train_seconds
            if ending(trial) in ("completed", "pruned") and epochs and seconds is not None:
                cost = seconds / (epochs * self.images)
                for key in (self._key(trial), None):
                    self.known.setdefault(key, []).append(cost)

    def _key(self, trial: FrozenTrial) -> Any:
        return frozenset(item for item in trial.params.items() if _changes_step_cost(item[0]))

    def left(self, trial: FrozenTrial) -> float:
        """Seconds that the trial would have gone on for; 0 where that is not known."""
        costs = self.known.get(self._key(trial)) or self.known.get(None)
        steps = TrialRecord.of(trial).steps_run
        if not costs or steps is None:
            return 0.0
        batch = trial.params.get("batch_size", TrainConfig(**self.preset.train).batch_size)
        total = self.preset.epochs * self.images
        images = max(0, total - steps * batch)
        return float(images * median(costs))


def _changes_step_cost(name: str) -> bool:
    """Does a step take longer with one value than with another? Also said of unknown names."""
    return name not in HYPERPARAMETERS or HYPERPARAMETERS[name].changes_step_cost


def selection_bias(preset: Preset, ended: Sequence[FrozenTrial]) -> SelectionBias | None:
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
    shares = values.clip(0, 1)  # somebody may have added a trial whose value is no accuracy
    spread = np.sqrt(shares * (1 - shares) / images)
    near = values >= values[0] - 8 * spread.max()  # the others can never win
    noise = np.random.default_rng(0).normal(size=(BOOTSTRAP_DRAWS, near.sum())) * spread[near]
    gain = noise[np.arange(BOOTSTRAP_DRAWS), np.argmax(values[near] + noise, axis=1)]
    return SelectionBias(float(gain.mean()), float(np.quantile(gain, 0.975)), len(values), images)


def duration_in_words(seconds: float) -> str:
    """A time as "1 h 5 min", "11 min", "3 min 20 s" or "12 s"."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 10:  # nobody minds the seconds
        hours, minutes = divmod(round(seconds / 60), 60)
        return f"{hours} h {minutes} min" if hours else f"{minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def advice(
    ended: Sequence[FrozenTrial],
    wording: Wording = as_python,
    stopped: dict[str, Any] | None = None,
) -> list[str]:
    """What the search suggests doing next, a sentence each; commands stand between backticks.

    `wording` says how commands read; `stopped` is the study's attribute
    `search.algorithms.terminator.STOPPED`, which says why it was stopped, if it was.
    """
    best = best_trials(ended, 1)
    if not best:
        return _without_any(ended, wording)
    progress = _progress(best[0], ended, wording)
    if stopped is not None:
        progress = [f"The search was stopped early: {stop_sentence(stopped)}."]
    return [*_boundaries(best[0]), *_choices(best[0], ended), *progress]


def _without_any(ended: Sequence[FrozenTrial], wording: Wording) -> list[str]:
    said = [f"No trial has completed: search on (`{wording(_search_on(ended))}`)."]
    hopeless = {name: sum(ending(t) == name for t in ended) for name in ("stuck", "diverged")}
    for name, cure in (
        ("stuck", "the maps below show where; leave those choices out"),
        ("diverged", "lower the range of learning_rate or momentum"),
    ):
        if hopeless[name] > len(ended) / 3:
            said.append(f"{hopeless[name]} of {len(ended)} trials {name}: {cure}.")
    return said


def _search_on(ended: Sequence[FrozenTrial]) -> Command:
    return Command("search", 2 * max(1, sum(map(is_finished, ended))))


def _boundaries(best: FrozenTrial) -> list[str]:
    said = []
    for name, distribution in best.distributions.items():
        if isinstance(distribution, CategoricalDistribution) or distribution.single():
            continue
        assert isinstance(distribution, FloatDistribution | IntDistribution)
        place = position(best.params[name], distribution)
        if BOUNDARY_SHARE < place < 1 - BOUNDARY_SHARE:
            continue
        end, limit = (
            ("lower", distribution.low) if place <= BOUNDARY_SHARE else ("upper", distribution.high)
        )
        cure = "try it without" if limit == _lowest(name) == 0 else "widen the range there"
        value = shown(best.params[name], 3)
        said.append(
            f"{name} of the best trial, {value}, lies at the {end} end of its range ({limit:g}): "
            f"{cure}."
        )
    return said


def _lowest(name: str) -> float | None:
    """The lowest number that a hyperparameter may be, None where none is declared."""
    return HYPERPARAMETERS[name].lowest if name in HYPERPARAMETERS else None


def position(value: float, distribution: FloatDistribution | IntDistribution) -> float:
    """Where a value lies in its range, from 0 to 1, by logarithms in a logarithmic range."""
    low, high = float(distribution.low), float(distribution.high)
    if distribution.log:
        value, low, high = math.log(value), math.log(low), math.log(high)
    return (value - low) / (high - low)


def _choices(best: FrozenTrial, ended: Sequence[FrozenTrial]) -> list[str]:
    """A sentence a hyperparameter of which some choices came nowhere near the best trial."""
    said = []
    for name, distribution in best.distributions.items():
        if not isinstance(distribution, CategoricalDistribution):
            continue
        having = {c: [t for t in ended if t.params.get(name) == c] for c in distribution.choices}
        poor = {c: _verdict(trials, best) for c, trials in having.items() if c != best.params[name]}
        listed = ", ".join(f"{choice} ({verdict})" for choice, verdict in poor.items() if verdict)
        if listed:
            said.append(
                f"{name}: {listed} never came near {best.params[name]} ({best.value:.4f}); leave "
                f"out what more epochs would not help."
            )
    return said


def _verdict(having: Sequence[FrozenTrial], best: FrozenTrial) -> str | None:
    """What speaks against a choice, None where nothing does or it has hardly been tried."""
    if len(having) < MIN_TRIALS_PER_CHOICE or best.value is None:
        return None
    hopeless = sum(ending(trial) in ("stuck", "diverged") for trial in having)
    if hopeless == len(having):
        return f"all {hopeless} trials stuck or diverged"
    highest = max((value for t in having if (value := last_value(t)) is not None), default=0.0)
    if highest >= best.value - CLEAR_ACCURACY_GAP:
        return None
    completed = sum(ending(trial) == "completed" for trial in having)
    return f"at most {highest:.4f} in {len(having)} trials, {completed or 'none'} completed"


def _progress(best: FrozenTrial, ended: Sequence[FrozenTrial], wording: Wording) -> list[str]:
    since = sum(trial.number > best.number for trial in ended)
    more = f"`{wording(_search_on(ended))}`"
    if len(ended) < FEW_TRIALS:
        return [f"These are few trials: search on ({more})."]
    if since >= max(FEW_TRIALS, len(ended) // 3):
        return [
            f"The last {since} of {len(ended)} trials brought nothing better: more of them in this "
            f"space will hardly help; change the space."
        ]
    return [
        f"The best trial came late, {since} trials before the last: searching on may still help "
        f"({more})."
    ]
