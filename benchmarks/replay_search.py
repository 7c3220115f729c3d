"""Samplers and pruners, replayed on stored curves: python -m benchmarks.replay_search

Searches are replayed on the table of `benchmarks.curves` instead of training: hundreds of seeds in
minutes. A proposal is answered with the curve of the nearest stored run. Stuck and diverged runs
end where the diagnosis ends them. The budget is a number of epochs, and the figure is the regret at
any time: the best final accuracy in the table, less that of the run that the search would answer
with so far (the best that completed, or, before any completed, the best so far). Searches that were
replayed are kept.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import optuna
import typer
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    SuccessiveHalvingPruner,
)
from optuna.samplers import BaseSampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import TrialState
from rich.console import Console

from benchmarks.curves.lookup import Curves, accuracies, stop
from benchmarks.curves.table import STORED
from benchmarks.tools.record import RESULTS, collected, table
from fmnist_model.utils.cli import new_app, run
from fmnist_model.utils.errors import UserError

BUDGETS = (25, 50, 100, 150, 200, 300)
"""Numbers of trained epochs at which the regret is noted."""
TRIALS = 50
"""Trials of `make search`, whose cost and outcome are noted, too."""
SOME = ("none", "median", "halving 3", "halving 2, first half", "hyperband 3")

app = new_app("Replay samplers and pruners on stored learning curves.")
Row = dict[str, Any]


class Until(BasePruner):
    """A pruner that no longer prunes a run beyond a given epoch."""

    def __init__(self, inner: BasePruner, epoch: int) -> None:
        self.inner, self.epoch = inner, epoch

    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        seen = trial.last_step
        return seen is not None and seen <= self.epoch and self.inner.prune(study, trial)


def _halving(factor: int, first: int = 1) -> BasePruner:
    return SuccessiveHalvingPruner(min_resource=first, reduction_factor=factor)


def _hyperband(factor: int, epochs: int) -> BasePruner:
    return HyperbandPruner(max_resource=epochs, reduction_factor=factor)


PRUNERS: dict[str, Callable[[int], BasePruner]] = {
    "none": lambda _: NopPruner(),
    "median": lambda _: MedianPruner(),
    "median from 3": lambda _: MedianPruner(n_warmup_steps=3),
    "halving 2": lambda _: _halving(2),
    "halving 2, first half": lambda epochs: Until(_halving(2), epochs // 2),
    "halving 3": lambda _: _halving(3),
    "halving 3, first half": lambda epochs: Until(_halving(3), epochs // 2),
    "halving 4": lambda _: _halving(4),
    "halving 3 from 2": lambda _: _halving(3, 2),
    "halving 3 from 3": lambda _: _halving(3, 3),
    "hyperband 3": lambda epochs: _hyperband(3, epochs),
    "hyperband 2, whole study": lambda epochs: Until(_hyperband(2, epochs), epochs),
    "hyperband 3, whole study": lambda epochs: Until(_hyperband(3, epochs), epochs),
    "hyperband 4, whole study": lambda epochs: Until(_hyperband(4, epochs), epochs),
}
"""By the epochs of a whole run. Where Optuna sees that it is Hyperband, it shows the sampler the
trials of one bracket alone; "whole study" hides it, as `search.algorithms.pruners` does."""


SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: TPESampler(seed=seed),
    "tpe after 25": lambda seed: TPESampler(seed=seed, n_startup_trials=25),
    "random": lambda seed: RandomSampler(seed=seed),
    "qmc": lambda seed: QMCSampler(scramble=True, seed=seed, warn_independent_sampling=False),
}
"""Optuna's samplers with their defaults, made from a seed."""


def make_sampler(name: str, seed: int) -> BaseSampler:
    """One of SAMPLERS."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return SAMPLERS[name](seed)


def replay(curves: Curves, sampler: str, pruner: str, seed: int, once: bool = False) -> Row:
    """One search: its regret at each budget, and what it did to the slow starters.

    With `once` each stored run answers one proposal only, as long as there are others.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    epochs = max(len(accuracies(record)) for record in curves.records)
    study = optuna.create_study(
        direction="maximize",
        sampler=make_sampler(sampler, seed),
        pruner=PRUNERS[pruner](epochs),
    )
    slow = curves.slow_starters()
    spent, met, killed = 0.0, 0, 0
    at_trials: Row = {}
    answers = [(0.0, 0.0)]  # from so many epochs on, a final accuracy of this
    best = (False, 0.0)
    taken: set[int] = set()
    while spent < BUDGETS[-1] or len(study.trials) < TRIALS:
        trial = study.ask(curves.space)
        index = curves.nearest(trial.params, taken if once else ())
        taken = taken | {index} if len(taken) + 1 < len(curves.records) else set()
        state, last, work = _train(trial, curves.records[index], epochs)
        study.tell(trial, last if state == TrialState.COMPLETE else None, state)
        spent += work
        met += index in slow
        killed += index in slow and state == TrialState.PRUNED
        if (state == TrialState.COMPLETE, last) > best:
            best = (state == TrialState.COMPLETE, last)
            answers.append((spent, float(curves.finals[index])))
        if len(study.trials) == TRIALS:
            at_trials = {"epochs": spent, "regret": float(curves.finals.max()) - answers[-1][1]}
    since, values = np.array(answers).T
    at = np.searchsorted(since, BUDGETS, side="right") - 1
    return {
        "sampler": sampler,
        "pruner": pruner,
        "seed": seed,
        "regret": (curves.finals.max() - values[at]).tolist(),
        "trials": len(study.trials),
        "at_trials": at_trials,
        "slow": [met, killed],
    }


def _train(trial: optuna.Trial, record: Row, epochs: int) -> tuple[TrialState, float, float]:
    """How a run ends, its last accuracy, and how many epochs it trained."""
    ends = stop(record)
    for epoch, accuracy in enumerate(accuracies(record), 1):
        if ends is not None and epoch == ends[0]:
            return TrialState.PRUNED, accuracy, ends[1]
        trial.report(accuracy, epoch)
        if epoch < epochs and trial.should_prune():
            return TrialState.PRUNED, accuracy, epoch
    return TrialState.COMPLETE, accuracy, epochs


def combinations() -> list[tuple[str, str]]:
    """Every pruner with our sampler, and every sampler with some of the pruners."""
    pairs = [("tpe", pruner) for pruner in PRUNERS]
    return pairs + [(sampler, pruner) for sampler in list(SAMPLERS)[1:] for pruner in SOME]


_curves: dict[str, Curves] = {}


def _replayed(path: str, sampler: str, pruner: str, seed: int) -> Row:
    if path not in _curves:
        _curves[path] = Curves.load(Path(path))
    return replay(_curves[path], sampler, pruner, seed)


def interval(values: Any) -> str:
    """The mean with its 95 % bootstrap interval over the seeds."""
    from scipy.stats import bootstrap

    middle = np.mean(values)
    if len(values) < 3 or np.ptp(values) == 0:
        return f"{middle:.4f}"
    found = bootstrap((values,), np.mean, n_resamples=2000, random_state=0).confidence_interval
    return f"{middle:.4f} ({found.low:.4f} to {found.high:.4f})"


def show(console: Console, rows: list[Row], curves: Curves) -> None:
    """Regret by budget, what 50 trials cost, and what became of the slow starters."""
    slow = curves.slow_starters()
    console.print(
        f"{len(curves.records)} runs, best {curves.finals.max():.4f}; the nearest other run's "
        f"final accuracy ranks them with rho {curves.fidelity():.2f}; {len(slow)} slow starters "
        f"among the best tenth"
    )
    made = table("mean regret after so many epochs (95 % interval)", "sampler, pruner", "n")
    for budget in BUDGETS[1::2]:
        made.add_column(str(budget), justify="right")
    made.add_column(f"{TRIALS} trials: epochs", justify="right")
    made.add_column("regret", justify="right")
    made.add_column("slow starters killed", justify="right")
    for sampler, pruner in combinations():
        mine = [row for row in rows if (row["sampler"], row["pruner"]) == (sampler, pruner)]
        if mine:
            regrets = np.array([row["regret"] for row in mine])
            met, killed = np.sum([row["slow"] for row in mine], axis=0)
            made.add_row(
                f"{sampler}, {pruner}",
                str(len(mine)),
                *(interval(regrets[:, place]) for place in range(1, len(BUDGETS), 2)),
                f"{np.mean([row['at_trials']['epochs'] for row in mine]):.0f}",
                interval(np.array([row["at_trials"]["regret"] for row in mine])),
                f"{killed} of {met}",
            )
    console.print(made)


@app.command()
def main(
    preset: Annotated[str, typer.Option(help="Whose curves: paper or wide.")] = "paper",
    seeds: Annotated[int, typer.Option(min=1, help="Replays of each combination.")] = 200,
    processes: Annotated[int, typer.Option(min=1)] = 2,
    curves: Annotated[Path | None, typer.Option(help="Another packed table.")] = None,
) -> None:
    """Replay samplers and pruners on stored learning curves."""
    console = Console(width=150)
    source = curves or STORED / f"{preset}.jsonl.gz"
    if not source.is_file():
        raise UserError(
            f"{source}: no such table; python -m benchmarks.curves --preset {preset} trains it, "
            f"and again with --pack writes it"
        )
    path = RESULTS / f"replay-search-{source.name.split('.')[0]}.json"
    table_of = Curves.load(source)
    settings = {"runs": len(table_of.records), "budgets": list(BUDGETS)}
    tasks = [(*pair, seed) for seed in range(seeds) for pair in combinations()]
    one, keys = partial(_replayed, str(source)), ("sampler", "pruner", "seed")
    rows = collected(console, path, settings, keys, tasks, one, processes)
    show(console, rows, table_of)
    console.print(f"written: {path}")


if __name__ == "__main__":
    run(app)
