"""Runs the paper's comparison, one stage after the other, and reports its progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import chain
from pathlib import Path
from statistics import mean

from fmnist_model.training import RunResult
from search.execution import (
    PairedComparison,
    PairedRun,
    evaluate_runs,
    leaky_of,
    runs_done,
    train_leaky,
    train_runs,
)
from studies.paper.arms import arm_runs, sweep_runs

Say = Callable[[str], None]


def compare(
    comparison: PairedComparison,
    url: str,
    seeds: int,
    data: Path | None,
    say: Say,
    draw: Callable[[bool], object],
) -> None:
    """Train the arms, evaluate them on the test set, repeat the paper's protocol, try other rates.

    A comparison that was interrupted continues. The test set is opened once, when all arms have
    been trained at the paper's rate; the other rates are compared on the validation images.

    Args:
        comparison: The paper's comparison.
        url: The URL of the database.
        seeds: How many seeds each arm is trained with.
        data: The folder that contains the images; None takes the project's own.
        say: Called with each message.
        draw: Writes the page, with static copies of its figures if it is called with True. It is
            called before the other rates are tried, which takes longest, and after each of them.
    """
    arms, rates = arm_runs(range(seeds)), sweep_runs(range(seeds))
    done, trained_on = runs_done(comparison, url), runs_done(leaky_of(comparison), url)
    each = f"{len(comparison.arms)} arms with {seeds} seeds each"
    say(f"{len(arms)} runs of {each}{_so_far(arms, done)}, then the test set")
    # Weights are needed only until all runs have been evaluated and trained on the test set.
    leaky_left = not trained_on >= set(arms)
    train_runs(comparison, arms, url, data, say, _RunReporter(say, arms), leaky_left)
    evaluate_runs(comparison, arms, data, say, _counted(say, "judged on the test set", len(arms)))
    if leaky_left:
        say(
            f"warning: now the paper's own protocol, `leaky`, which trains on the test set: its "
            f"figures are there to be set beside the paper's and say nothing about new images"
            f"{_so_far(arms, trained_on)}"
        )
        train_leaky(comparison, arms, url, data, say, _RunReporter(say, arms))
    draw(True)
    say(f"{len(rates)} runs at other learning rates{_so_far(rates, done)}")
    report = _RunReporter(say, rates)

    def on_run(run: PairedRun, result: RunResult) -> None:
        report(run, result)
        if run in _last_of_each_rate(rates):
            draw(False)

    train_runs(comparison, rates, url, data, say, on_run, keep_weights=False)


def _last_of_each_rate(rates: Sequence[PairedRun]) -> set[PairedRun]:
    return set({run.learning_rate: run for run in rates}.values())


def _so_far(stage: Sequence[PairedRun], done: set[PairedRun]) -> str:
    count = len(done & set(stage))
    return f", {count} of them done" if count else ""


def _counted(say: Say, what: str, total: int) -> Callable[[int], None]:
    def done(index: int) -> None:
        if (index + 1) % 10 == 0 or index + 1 == total:
            say(f"{index + 1} of {total} {what}")

    return done


class _RunReporter:
    """Reports each run of a stage when it ends, and estimates how long the remaining runs will
    take."""

    def __init__(self, say: Say, stage: Sequence[PairedRun]) -> None:
        self._say, self._stage = say, stage
        self._seconds: dict[str, list[float]] = {}

    def __call__(self, run: PairedRun, result: RunResult) -> None:
        accuracy = "-" if result.value is None else f"{result.value:.4f}"
        self._seconds.setdefault(run.arm, []).append(result.train_seconds)
        self._say(
            f"{run.arm:<22} rate {run.learning_rate:<4g} seed {run.seed}: {result.stop_reason:<9} "
            f"{accuracy} after {result.epochs_run:>2} epochs, {result.train_seconds:.0f} s"
            f"{', stuck and let go on' if result.recorded else ''}{self._left(run)}"
        )

    def _left(self, run: PairedRun) -> str:
        remaining = self._stage[self._stage.index(run) + 1 :]
        of_any = mean(chain(*self._seconds.values()))
        seconds = sum(mean(self._seconds.get(other.arm, [of_any])) for other in remaining)
        return (
            f"; {timedelta(seconds=round(seconds))} left for {len(remaining)} more"
            if remaining
            else ""
        )
