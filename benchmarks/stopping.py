"""What --stop-when saves and loses: python -m benchmarks.stopping

Searches in memory get the curves of stored runs (standins/stored.py) and go on to their last trial.
Accuracies are drawn anew as if there were 12,000 validation images, because in a table of 500 runs
the same run would win again and again. Printed are, first, the improvement that the rule expected
of the next ten trials and the improvement that they really brought, as means over all points of all
searches; and then, for several thresholds, how many searches would have stopped, after how many
trials, and how much the next ten and all the remaining trials would have improved their best.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import numpy as np
import optuna
import typer
from optuna.trial import FrozenTrial
from rich.console import Console
from rich.progress import track

from benchmarks.lag import interval, plain
from benchmarks.standins.stored import PRESET, Stored
from benchmarks.tools.record import table
from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.utils.cli import new_app, run
from search.algorithms.terminator import LOOK_AHEAD_TRIALS, MIN_TRIALS, expected_gain
from search.presets.files import parse_preset
from search.study.trials import best_trials

IMAGES = 12_000

app = new_app("Measure what stopping early saves and loses.")


class Noisy(Stored):
    """The stored curves, with the noise of a larger set of validation images."""

    def curve(self, model: ModelConfig, train: TrainConfig) -> list[float]:
        """The validation accuracy after each epoch."""
        drawn = np.random.default_rng(train.seed)
        return [drawn.binomial(IMAGES, seen) / IMAGES for seen in super().curve(model, train)]


class Look(NamedTuple):
    """After a number of trials: the best so far, and what the next ones were expected to add."""

    trials: int
    best: float
    expected: float


class Stop(NamedTuple):
    """A stop after a number of trials, and what the next ten and all the others added to the
    best."""

    trials: int
    added: float
    lost: float


def looks(trials: Sequence[FrozenTrial]) -> list[Look]:
    """What the rule said after each trial, from the first trial after which it says anything."""
    return [
        Look(count, _best(trials[:count]), seen.expected)
        for count in range(MIN_TRIALS, len(trials) + 1)
        if (seen := expected_gain(trials[:count], count)) is not None
    ]


def _best(trials: Sequence[FrozenTrial]) -> float:
    return next((trial.value or 0.0 for trial in best_trials(trials, 1)), 0.0)


@app.command()
def main(
    seeds: Annotated[int, typer.Option(help="Searches with each pruner.")] = 100,
    trials: Annotated[
        int, typer.Option(min=MIN_TRIALS + LOOK_AHEAD_TRIALS, help="Trials of each search.")
    ] = 150,
    sampler: Annotated[str, typer.Option(help="The preset's sampler.")] = "tpe",
    below: Annotated[str, typer.Option(help="Thresholds, with commas.")] = "0.0003,0.001,0.003",
) -> None:
    """Print what the rule expected, and what it would have saved and lost."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    console = Console(width=110)
    for pruner in ("successive_halving", "none"):
        tree = tomllib.loads(PRESET) | {"pruner": {"name": pruner}, "sampler": {"name": sampler}}
        preset = parse_preset(tree, "stored")
        searches = [
            looks(plain(preset, seed, trials, Noisy()).get_trials(deepcopy=False))
            for seed in track(range(seeds), pruner, console=console, transient=True)
        ]
        title = f"{sampler}, {pruner}, {trials} trials, n = {seeds} seeds"
        show(console, title, searches, [float(each) for each in below.split(",")])


def show(
    console: Console, title: str, searches: Sequence[Sequence[Look]], thresholds: Sequence[float]
) -> None:
    """Print what was expected on average, and what stopping would have saved and lost."""
    pairs = [
        (now.expected, later.best - now.best)
        for search in searches
        for now, later in zip(search, search[LOOK_AHEAD_TRIALS:], strict=False)
    ]
    expected, real = np.mean(pairs, axis=0)
    console.print(title)
    console.print(
        f"the next {LOOK_AHEAD_TRIALS} were expected to add {expected:.4f}, and added {real:.4f}"
    )
    made = table("", "stop when below", "stopped", "after trials", "next ten", "lost")
    for threshold in thresholds:
        stops = [stopped for each in searches if (stopped := stop(each, threshold)) is not None]
        after, added, lost = zip(*stops, strict=True) if len(stops) > 1 else ((), (), ())
        means = [f"{np.mean(after):.0f}", interval(added), interval(lost)] if after else []
        made.add_row(f"{threshold:g}", f"{len(stops)} of {len(searches)}", *means)
    console.print(made)


def stop(search: Sequence[Look], threshold: float) -> Stop | None:
    """Where a search stops; None if it never does, or too late for ten more trials to follow."""
    for at, now in enumerate(search[:-LOOK_AHEAD_TRIALS]):
        if now.expected < threshold:
            return Stop(
                now.trials,
                search[at + LOOK_AHEAD_TRIALS].best - now.best,
                search[-1].best - now.best,
            )
    return None


if __name__ == "__main__":
    run(app)
