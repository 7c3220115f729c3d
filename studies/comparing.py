"""Runs the paper's comparison, a stage after the other, and tells how far it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fmnist_model.results import RunResult
from search.comparison import Run, judge_runs, train_leaky, train_runs
from studies.arms import arm_runs, comparison, sweep_runs
from studies.paper import write_paper

Say = Callable[[str], None]


def compare(url: str, seeds: int, limit: int | None, data: Path | None, say: Say) -> None:
    """Train the arms, open the test set once for them, repeat the paper's protocol, try the rates.

    Goes on where it was interrupted. The test set is opened when all arms have been trained at
    the paper's rate: which rate is best is a question for the validation images.
    """
    question = comparison(limit)
    arms, rates = arm_runs(range(seeds)), sweep_runs(range(seeds))
    say(f"{len(arms)} runs of {len(question.arms)} arms with {seeds} seeds each, then the test set")
    train_runs(question, arms, url, data, say, _teller(say))
    judge_runs(question, arms, data, say, _counted(say, "judged on the test set", len(arms)))
    say(
        "warning: now the paper's own protocol, `leaky`, which trains on the test set: its figures "
        "are there to be set beside the paper's and say nothing about new images"
    )
    train_leaky(question, arms, url, data, say, _teller(say))
    write_paper(url, limit, say)
    say(f"{len(rates)} runs at other learning rates")
    train_runs(question, rates, url, data, say, _teller(say))


def _counted(say: Say, what: str, total: int) -> Callable[[int], None]:
    def done(place: int) -> None:
        if (place + 1) % 10 == 0 or place + 1 == total:
            say(f"{place + 1} of {total} {what}")

    return done


def _teller(say: Say) -> Callable[[Run, RunResult], None]:
    def ended(run: Run, result: RunResult) -> None:
        accuracy = "-" if result.value is None else f"{result.value:.4f}"
        say(
            f"{run.arm:<22} rate {run.learning_rate:<4g} seed {run.seed}: {result.stop_reason:<9} "
            f"{accuracy} after {result.epochs_run:>2} epochs, {result.train_seconds:.0f} s"
        )

    return ended
