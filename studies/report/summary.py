"""Summarizes a study: its best trial, its cost, the time that early stops saved, and advice."""

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
from search.generations import seeds_to_decide
from search.presets import Preset
from search.study import (
    TrialRecord,
    Winner,
    best_trials,
    ending,
    epochs_in_words,
    infeasible_in_words,
    is_decided,
    is_finished,
    winner,
)
from studies.figures import ended_trials, first_runs, last_value, trial_span
from studies.report.commands import Command, Wording, as_python

TRAIN_IMAGES, VALIDATION_IMAGES = 48_000, 12_000
"""The sizes of the paper's split; a preset's `data.limit` reduces both by the same factor."""
BOUNDARY_SHARE = 0.05
"""The best value lies on the boundary if it is nearer to the end of its range than this share of
it."""
MIN_TRIALS_PER_CHOICE = 5
"""The fewest trials with a choice from which the report advises against the choice."""
CLEAR_ACCURACY_GAP = 0.02
"""A validation accuracy that is lower by more than this is clearly worse."""
FEW_TRIALS = 10
"""With fewer trials than this nothing can be said about whether more trials would help."""
SEEDS_MARGIN = 2
"""How many times the seeds are advised that would decide a race if all means stayed as they are."""
BOOTSTRAP_DRAWS = 20_000


class TimeSaved(NamedTuple):
    """The seconds of training that early stops saved, for each trial with one ending."""

    each: list[float]

    @property
    def seconds(self) -> float:
        """The seconds saved in total."""
        return sum(self.each)

    @property
    def trials(self) -> int:
        """The number of trials."""
        return len(self.each)


class SelectionBias(NamedTuple):
    """By how much the best of `trials` looks better than it is: expected value and upper bound.

    `high` is the upper end of the 95 % interval; `images` is the number of validation images.
    """

    mean: float
    high: float
    trials: int
    images: int


class StudySummary(NamedTuple):
    """The summary of a study; `winner` is None while no trial has completed."""

    winner: Winner | None
    train_seconds: float
    wall_seconds: float
    time_saved: dict[str, TimeSaved]
    selection_bias: SelectionBias | None
    advice: list[str]

    @property
    def best(self) -> FrozenTrial | None:
        """The best trial, or the first run of the best configuration."""
        return self.winner.trial if self.winner is not None else None


def summarize(
    preset: Preset,
    trials: Sequence[FrozenTrial],
    wording: Wording = as_python,
    stopped: dict[str, Any] | None = None,
) -> StudySummary:
    """Summarize a study's trials; for `wording` and `stopped` see `advice`."""
    ended = ended_trials(trials)
    best = winner(ended, preset)
    seconds = sum(TrialRecord.of(trial).seconds_trained for trial in ended)
    return StudySummary(
        winner=best,
        train_seconds=seconds,
        wall_seconds=_wall_seconds(ended),
        time_saved=time_saved(preset, ended),
        selection_bias=None if preset.search else selection_bias(preset, ended),
        advice=_infeasible(ended, preset, wording) or advice(ended, wording, stopped, best),
    )


def _infeasible(ended: Sequence[FrozenTrial], preset: Preset, wording: Wording) -> list[str]:
    """That no configuration meets the preset's constraints; empty where one does."""
    sentence = infeasible_in_words(ended, preset)
    if sentence is None:
        return []
    command = wording(_continue_command(ended))
    return [f"So far {sentence}: search on (`{command}`), or allow more."]


def _wall_seconds(ended: Sequence[FrozenTrial]) -> float:
    """The seconds in which at least one trial ran; pauses between two searches do not count."""
    spans = [span for trial in ended if (span := trial_span(trial)) is not None]
    total, until = 0.0, -math.inf
    for start, end in sorted((start.timestamp(), end.timestamp()) for start, end in spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def time_saved(preset: Preset, ended: Sequence[FrozenTrial]) -> dict[str, TimeSaved]:
    """The time that early stops saved, by ending, compared with training all epochs of each trial.

    It is the number of images that a trial had left to train on, times the median time for an image
    (validation included) in the study's completed and pruned trials of the same network and batch
    size. If there are no such trials, the median is that of all completed and pruned trials.
    """
    costs = _Costs(preset, ended)
    return {
        name: TimeSaved([costs.left(trial) for trial in ended if ending(trial) == name])
        for name in ("stuck", "pruned", "diverged")
    }


class _Costs:
    """The seconds that training takes for an image, from the study's completed and pruned trials.

    Trials are grouped by the hyperparameters that change the cost of a step.
    """

    def __init__(self, preset: Preset, ended: Sequence[FrozenTrial]) -> None:
        self.preset = preset
        self.images = preset.data.limit or TRAIN_IMAGES
        self.known: dict[Any, list[float]] = {}
        for trial in ended:
            record = TrialRecord.of(trial)
            if (
                ending(trial) in ("completed", "pruned")
                and record.epochs_trained
                and record.train_seconds is not None
            ):
                cost = record.seconds_trained / (record.epochs_trained * self.images)
                for key in (self._key(trial), None):
                    self.known.setdefault(key, []).append(cost)

    def _key(self, trial: FrozenTrial) -> Any:
        return frozenset(item for item in trial.params.items() if _changes_step_cost(item[0]))

    def left(self, trial: FrozenTrial) -> float:
        """The seconds that the rest of the trial would have taken; 0 if that is not known."""
        costs = self.known.get(self._key(trial)) or self.known.get(None)
        steps = TrialRecord.of(trial).steps_run
        if not costs or steps is None:
            return 0.0
        batch = trial.params.get("batch_size", TrainConfig(**self.preset.train).batch_size)
        total = (TrialRecord.of(trial).budget or self.preset.epochs) * self.images
        images = max(0, total - steps * batch)
        return float(images * median(costs))


def _changes_step_cost(name: str) -> bool:
    """Does the time of a step depend on the hyperparameter? True for names that are not
    declared."""
    return name not in HYPERPARAMETERS or HYPERPARAMETERS[name].changes_step_cost


def selection_bias(preset: Preset, ended: Sequence[FrozenTrial]) -> SelectionBias | None:
    """How much better than it is the best trial looks, because it was chosen on these images.

    This is a parametric bootstrap. Each draw takes a new accuracy for each completed trial, from a
    normal distribution around its own accuracy with the binomial variance of that many validation
    images, and chooses the best. The bias of the draw is the chosen trial's new accuracy less its
    own. Draws are independent between trials. In reality all trials share the validation images and
    make similar errors, which shifts all accuracies alike and favours no trial; so this is an upper
    estimate of the images' part. The luck of a seed is not included. None if fewer than two trials
    have completed.
    """
    values = np.array([trial.value for trial in best_trials(ended, len(ended))])
    if len(values) < 2:
        return None
    images = VALIDATION_IMAGES
    if preset.data.limit is not None:
        images = max(1, round(preset.data.limit * VALIDATION_IMAGES / TRAIN_IMAGES))
    shares = values.clip(
        0, 1
    )  # a trial that another program added may have a value that is no accuracy
    spread = np.sqrt(shares * (1 - shares) / images)
    near = values >= values[0] - 8 * spread.max()  # the others can never win
    noise = np.random.default_rng(0).normal(size=(BOOTSTRAP_DRAWS, near.sum())) * spread[near]
    gain = noise[np.arange(BOOTSTRAP_DRAWS), np.argmax(values[near] + noise, axis=1)]
    return SelectionBias(float(gain.mean()), float(np.quantile(gain, 0.975)), len(values), images)


def duration_in_words(seconds: float) -> str:
    """A duration in words, such as "1 h 5 min", "11 min", "3 min 20 s" or "12 s"."""
    minutes, remainder = divmod(round(seconds), 60)
    if minutes >= 10:  # then seconds do not matter
        hours, minutes = divmod(round(seconds / 60), 60)
        return f"{hours} h {minutes} min" if hours else f"{minutes} min"
    return f"{minutes} min {remainder} s" if minutes else f"{remainder} s"


def advice(
    ended: Sequence[FrozenTrial],
    wording: Wording = as_python,
    stopped: dict[str, Any] | None = None,
    best: Winner | None = None,
) -> list[str]:
    """What the search suggests to do next, as sentences, with commands between backticks.

    `wording` words the commands; `stopped` is the study's user attribute
    `search.algorithms.terminator.STOPPED`, which says why the search was stopped early, if it was.
    `best` is the best of a search in budgets; of any other it is found in the trials.
    """
    best = best or winner(ended, None)
    if best is None:
        return _advice_without_completed(ended, wording)
    if best.standing is not None:
        continuation = [_race_advice(best, ended, wording)]
    else:
        continuation = _continuation(best.trial, ended, wording)
    if stopped is not None:
        continuation = [f"The search was stopped early: {stop_sentence(stopped)}."]
    compared = first_runs(ended)
    return [
        *_boundaries(best.trial),
        *_choices(_first_run(best.trial, compared), compared),
        *continuation,
    ]


def _first_run(best: FrozenTrial, compared: Sequence[FrozenTrial]) -> FrozenTrial:
    """The run of the best configuration that stands among others to compare it with."""
    configuration = TrialRecord.of(best).configuration
    if configuration is None:
        return best
    same = (trial for trial in compared if TrialRecord.of(trial).configuration == configuration)
    return next(same, best)


def _race_advice(best: Winner, ended: Sequence[FrozenTrial], wording: Wording) -> str:
    """Whether the race of a search in budgets is decided, and what would probably decide it.

    Fewer trials than there are go to the race first: see `search.generations.plan`.
    """
    assert best.standing is not None
    name = f"Configuration {best.standing.configuration}"
    if is_decided(best.standings):
        return (
            f"{name} is {best.reason}: more seeds of these configurations will hardly change that; "
            f"more trials only help if they try new ones."
        )
    finished = sum(map(is_finished, ended))
    seeds = min(SEEDS_MARGIN * seeds_to_decide(best.standings), finished - 1)
    command = wording(Command("search", finished + seeds))
    if not seeds:
        return f"{name} is {best.reason}: the best are too much alike for seeds to tell them apart."
    return (
        f"{name} is {best.reason}: about {seeds} more trial{'s' if seeds > 1 else ''} with other "
        f"seeds would probably decide it (`{command}`)."
    )


def _advice_without_completed(ended: Sequence[FrozenTrial], wording: Wording) -> list[str]:
    sentences = [f"No trial has completed: search on (`{wording(_continue_command(ended))}`)."]
    stuck_or_diverged = {
        name: sum(ending(t) == name for t in ended) for name in ("stuck", "diverged")
    }
    for name, cure in (
        ("stuck", "the maps below show where; leave those choices out"),
        ("diverged", "lower the range of learning_rate or momentum"),
    ):
        if stuck_or_diverged[name] > len(ended) / 3:
            sentences.append(f"{stuck_or_diverged[name]} of {len(ended)} trials {name}: {cure}.")
    return sentences


def _continue_command(ended: Sequence[FrozenTrial]) -> Command:
    return Command("search", 2 * max(1, sum(map(is_finished, ended))))


def _boundaries(best: FrozenTrial) -> list[str]:
    sentences = []
    what = "trial" if TrialRecord.of(best).configuration is None else "configuration"
    for name, distribution in best.distributions.items():
        if isinstance(distribution, CategoricalDistribution) or distribution.single():
            continue
        assert isinstance(distribution, FloatDistribution | IntDistribution)
        relative = position(best.params[name], distribution)
        if BOUNDARY_SHARE < relative < 1 - BOUNDARY_SHARE:
            continue
        end, limit = (
            ("lower", distribution.low)
            if relative <= BOUNDARY_SHARE
            else ("upper", distribution.high)
        )
        cure = "try it without" if limit == _lowest(name) == 0 else "widen the range there"
        value = shown(best.params[name], 3)
        sentences.append(
            f"{name} of the best {what}, {value}, lies at the {end} end of its range "
            f"({limit:g}): {cure}."
        )
    return sentences


def _lowest(name: str) -> float | None:
    """The lowest value that is declared for a hyperparameter; None if none is declared."""
    return HYPERPARAMETERS[name].lowest if name in HYPERPARAMETERS else None


def position(value: float, distribution: FloatDistribution | IntDistribution) -> float:
    """Where a value lies in its range, from 0 to 1, on the range's scale, linear or logarithmic."""
    low, high = float(distribution.low), float(distribution.high)
    if distribution.log:
        value, low, high = math.log(value), math.log(low), math.log(high)
    return (value - low) / (high - low)


def _choices(best: FrozenTrial, ended: Sequence[FrozenTrial]) -> list[str]:
    """A sentence for each hyperparameter of which some choices never came near the best trial."""
    sentences, budget = [], TrialRecord.of(best).budget
    after = f" after {epochs_in_words(budget)}" if budget is not None else ""
    for name, distribution in best.distributions.items():
        if not isinstance(distribution, CategoricalDistribution):
            continue
        having = {c: [t for t in ended if t.params.get(name) == c] for c in distribution.choices}
        poor = {
            c: _objection(trials, best) for c, trials in having.items() if c != best.params[name]
        }
        listed = ", ".join(
            f"{choice} ({objection})" for choice, objection in poor.items() if objection
        )
        if listed:
            sentences.append(
                f"{name}: {listed} never came near {best.params[name]} ({best.value:.4f}){after}; "
                f"leave out what more epochs would not help."
            )
    return sentences


def _objection(having: Sequence[FrozenTrial], best: FrozenTrial) -> str | None:
    """The objection to a choice; None if there is none, or if it has had too few trials."""
    if len(having) < MIN_TRIALS_PER_CHOICE or best.value is None:
        return None
    stuck_or_diverged = sum(ending(trial) in ("stuck", "diverged") for trial in having)
    if stuck_or_diverged == len(having):
        return f"all {stuck_or_diverged} trials stuck or diverged"
    highest = max((value for t in having if (value := last_value(t)) is not None), default=0.0)
    if highest >= best.value - CLEAR_ACCURACY_GAP:
        return None
    completed = sum(ending(trial) == "completed" for trial in having)
    return f"at most {highest:.4f} in {len(having)} trials, {completed or 'none'} completed"


def _continuation(best: FrozenTrial, ended: Sequence[FrozenTrial], wording: Wording) -> list[str]:
    since = sum(trial.number > best.number for trial in ended)
    more = f"`{wording(_continue_command(ended))}`"
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
