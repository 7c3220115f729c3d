"""What a right and a wrong prior do to a search in budgets: python -m benchmarks.replay_prior

Generations are planned and answered as in `benchmarks.replay_budgets`, from the table of learning
curves of the paper preset, whose learning rates are constant. The right prior is near the best
configuration of the table, the wrong one near one that learns, but poorly. The figure is the regret
after so many trained epochs: the best final accuracy in the table, less that of the configuration
that the search would answer with: the best of those with the longest runs.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

import numpy as np
import optuna
import typer
from rich.console import Console

from benchmarks.curves.lookup import Curves, WholeRuns
from benchmarks.curves.table import STORED
from benchmarks.replay_budgets import Replayed
from benchmarks.replay_search import interval
from benchmarks.tools.record import RESULTS, collected, table
from fmnist_model.utils.cli import PATHS, new_app, run
from search.generations.beliefs import BELIEVED_SHARE
from search.generations.proposals import Strategy
from search.generations.warm_start import TAKEN
from search.presets.files import parse_preset
from search.presets.preset import Preset

EPOCHS = (25, 50, 100, 150)
"""Numbers of trained epochs at which the regret is noted."""
SEARCH = {"budgets": [1, 5, 10], "reduction_factor": 2, "generation": 8}
POOR = 0.6
"""The wrong prior is near the best configuration that ends below this."""
PRIORS = ("none", "right", "wrong", "warm start", "wrong warm start")
"""What is believed. A warm start is from the best that another search, of another seed, has found
after `EPOCHS_BEFORE`; a wrong one from the best that end below POOR."""
EPOCHS_BEFORE = 100
OTHER_SEEDS = 1_000_000
"""The seeds of those other searches begin here."""

app = new_app("Replay searches in budgets with priors on stored learning curves.")
Row = dict[str, Any]
Params = dict[str, Any]


def believed(curves: Curves, prior: str) -> Params | None:
    """The configuration that a prior is near; None for none, and for a warm start."""
    if prior not in ("right", "wrong"):
        return None
    return _ranked(curves, POOR if prior == "wrong" else 1)[0]


def warm_start(known: WholeRuns, prior: str, sampler: str, seed: int) -> list[Params]:
    """The configurations of a warm start, the best first; none for a prior of another kind."""
    if prior == "wrong warm start":
        return _ranked(known.curves, POOR)[:TAKEN]
    if prior != "warm start":
        return []
    before = Replayed(known, with_prior(sampler, None), Strategy(), OTHER_SEEDS + seed)
    while before.spent < EPOCHS_BEFORE:
        before.advance()
    return before.best()[:TAKEN]


def _ranked(curves: Curves, below: float) -> list[Params]:
    """The configurations of the table that end below an accuracy, the best first."""
    ranked = np.argsort(-curves.finals)
    return [dict(curves.records[n]["params"]) for n in ranked if curves.finals[n] < below]


def with_prior(sampler: str, prior: Params | None) -> Preset:
    """The paper's preset in budgets, without arms, and with these beliefs."""
    tree = tomllib.loads((PATHS.presets / "paper.toml").read_text())
    tree = {key: part for key, part in tree.items() if key not in ("pruner", "arms")}
    beliefs = {"prior": prior} if prior is not None else {}
    return parse_preset(
        {**tree, "sampler": {"name": sampler}, "search": SEARCH, **beliefs}, "paper"
    )


def search(known: WholeRuns, sampler: str, prior: str, seed: int, how: Strategy) -> Row:
    """One search: its regret after each of EPOCHS."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    preset = with_prior(sampler, believed(known.curves, prior))
    made = Replayed(known, preset, how, seed, warm_start(known, prior, sampler, seed))
    while made.spent < EPOCHS[-1]:
        made.advance()
    since, values = np.array(made.answers).T
    regret = known.curves.finals.max() - values[np.searchsorted(since, EPOCHS, side="right") - 1]
    return {"sampler": sampler, "prior": prior, "seed": seed, "regret": regret.tolist()}


def show(console: Console, rows: Sequence[Row]) -> None:
    """The regret by epochs for each prior, and by how much it is above that without one."""
    regrets = {
        prior: np.array([row["regret"] for row in rows if row["prior"] == prior])
        for prior in PRIORS
    }
    more = {prior: found - regrets["none"] for prior, found in regrets.items() if prior != "none"}
    for title, shown in {"mean regret": regrets, "more than without a prior": more}.items():
        made = table(f"{title} after so many epochs (95 % interval)", "prior", "n")
        for epochs in EPOCHS:
            made.add_column(str(epochs), justify="right")
        for prior, found in shown.items():
            means = (interval(found[:, place]) for place in range(len(EPOCHS)))
            made.add_row(prior, str(len(found)), *means)
        console.print(made)


@app.command()
def main(
    seeds: Annotated[int, typer.Option(min=1, help="Replays of each prior.")] = 20,
    sampler: Annotated[str, typer.Option(help="tpe, gp, random or qmc.")] = "tpe",
    share: Annotated[
        float, typer.Option(min=0, max=1, help="Of beliefs in the first generation.")
    ] = BELIEVED_SHARE,
    processes: Annotated[int, typer.Option(min=1)] = 2,
) -> None:
    """Replay searches in budgets with priors on stored learning curves."""
    console = Console(width=150)
    known = WholeRuns.load(STORED / "paper.jsonl.gz")
    tasks = [(prior, seed) for seed in range(seeds) for prior in PRIORS]
    one = partial(search, known, sampler, how=Strategy(believed_share=share))
    path = RESULTS / f"replay-prior-{sampler}.json"
    settings: Row = {"epochs": list(EPOCHS), "share": share}
    rows = collected(console, path, settings, ("prior", "seed"), tasks, one, processes)
    show(console, rows)
    console.print(f"written: {path}")


if __name__ == "__main__":
    run(app)
