"""Searches in budgets, replayed on stored runs: python -m benchmarks.replay_budgets

Generations are planned as a search plans them (`search.generations`), and the runs that they plan
are answered from the tables of `benchmarks.curves`: with the whole run of so many epochs of the
nearest configuration that no other proposal was answered with, for in a real search no two are the
same. Beside them stand searches that train every configuration in full, at random or by
TPE, and successive halving by truncated runs, as `benchmarks.replay_search` replays them. The
budget is a number of epochs, and the figure is the regret at any time: the best final accuracy in
the table, less that of the configuration that the search would answer with so far: the best of
those with the longest runs. Searches that were replayed are kept.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import optuna
import typer
from rich.console import Console

from benchmarks.curves.lookup import WholeRuns
from benchmarks.curves.table import STORED
from benchmarks.replay_search import BUDGETS as EPOCHS, interval, replay
from benchmarks.tools.record import RESULTS, collected, table
from fmnist_model.utils.cli import PATHS, new_app, run
from search.generations.promotions import promote
from search.generations.proposals import Strategy, propose
from search.presets.files import parse_preset
from search.presets.preset import Preset
from search.study.runs import LEARNED, EndedRun, PlannedRun

app = new_app("Replay searches in budgets on stored runs.")
Row = dict[str, Any]


class Method(NamedTuple):
    """A search in budgets: epochs of its runs, reduction factor, sampler, and how it proposes."""

    budgets: tuple[int, ...]
    factor: int = 3
    sampler: str = "tpe"
    strategy: Strategy = Strategy()
    generation: int = 8


IN_FULL = {"tpe, in full": ("tpe", "none"), "random, in full": ("random", "none")}
TRUNCATED = {"tpe, halving by 3": ("tpe", "halving 3"), "tpe, median": ("tpe", "median")}
METHODS: Mapping[str, Mapping[str, Method]] = {
    "paper": {
        "1 5 10, by 2": Method((1, 5, 10), 2),
        "1 5 10, by 3": Method((1, 5, 10)),
        "1 10, by 2": Method((1, 10), 2),
        "1 10, by 3": Method((1, 10)),
        "1 2 5 10, by 2": Method((1, 2, 5, 10), 2),
        "1 5 10, by 2, random": Method((1, 5, 10), 2, sampler="random"),
        "1 5 10, by 2, qmc": Method((1, 5, 10), 2, sampler="qmc"),
        "1 5 10, by 2, a quarter at random": Method(
            (1, 5, 10), 2, strategy=Strategy(random_share=0.25)
        ),
        "1 5 10, by 2, three quarters at random": Method(
            (1, 5, 10), 2, strategy=Strategy(random_share=0.75)
        ),
    },
    "wide": {
        "1 12, by 6": Method((1, 12), 6),
        "1 12, by 3": Method((1, 12)),
        "1 12, by 2": Method((1, 12), 2),
        "1 12, by 4": Method((1, 12), 4),
        "1 4 12, by 2": Method((1, 4, 12), 2),
        "1 4 12, by 3": Method((1, 4, 12)),
        "1 4 12, by 4": Method((1, 4, 12), 4),
        "1 2 4 8 12, by 2": Method((1, 2, 4, 8, 12), 2),
        "1 12, by 3, random": Method((1, 12), sampler="random"),
        "1 12, by 3, qmc": Method((1, 12), sampler="qmc"),
        "1 12, by 3, a quarter at random": Method((1, 12), strategy=Strategy(random_share=0.25)),
        "1 12, by 3, three quarters at random": Method(
            (1, 12), strategy=Strategy(random_share=0.75)
        ),
        "1 12, by 3, from 16 runs": Method((1, 12), strategy=Strategy(min_runs=16)),
        "1 12, by 3, shorter shown": Method((1, 12), strategy=Strategy(shows_shorter=True)),
        "1 12, by 6, 16 at a time": Method((1, 12), 6, generation=16),
    },
}
"""By the table. "by 3" is the reduction factor, "16 at a time" those of a generation."""


def in_budgets(preset: str, method: Method) -> Preset:
    """A preset without arms that is searched by the method."""
    tree = tomllib.loads((PATHS.presets / f"{preset}.toml").read_text())
    tree = {key: part for key, part in tree.items() if key not in ("pruner", "arms")}
    tree["train"]["epochs"] = method.budgets[-1]
    tree["sampler"] = {"name": method.sampler}
    tree["search"] = {
        "budgets": list(method.budgets),
        "reduction_factor": method.factor,
        "generation": method.generation,
    }
    return parse_preset(tree, preset)


class Replayed:
    """A search in budgets on a table, a generation at a time.

    `warm_start` are configurations near which it begins, as stored values.
    """

    def __init__(
        self,
        known: WholeRuns,
        preset: Preset,
        strategy: Strategy,
        seed: int,
        warm_start: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self._known, self._preset, self._strategy, self._seed = known, preset, strategy, seed
        self._warm_start = warm_start
        self._runs: list[EndedRun] = []
        self._generation = 0
        self.spent = 0.0
        self.places: dict[int, int] = {}
        """Where in the table each configuration is found."""
        self.in_full: set[int] = set()
        """The places that were trained in full."""
        self.answers = [(0.0, 0.0)]
        """From so many epochs on, the final accuracy of what the search would answer with."""
        self._best = (0, 0.0)

    def advance(self) -> None:
        """Plan a generation, and answer its runs."""
        for planned in self._planned():
            self._answer(planned)
        self._generation += 1

    def _planned(self) -> list[PlannedRun]:
        assert self._preset.search is not None
        factor, count = self._preset.search.reduction_factor, self._preset.search.generation
        tried = {run.key.configuration: run for run in self._runs}
        promoted = [
            PlannedRun(key, "promotion", tried[key.configuration].params)
            for key in promote(self._runs, self._preset.budgets, factor)
        ]
        first = len(self._runs) + len(promoted)
        asked = (self._preset, self._seed, self._generation, self._runs, count, first)
        return promoted + propose(*asked, self._strategy, self._warm_start)

    def best(self) -> list[dict[str, Any]]:
        """The configurations that learned, the best first: those of the longest runs."""
        complete = [run for run in self._runs if run.value is not None]
        by_value = sorted(complete, key=lambda run: (run.key.budget, run.value), reverse=True)
        return list({run.key.configuration: dict(run.params) for run in by_value}.values())

    def _taken(self) -> set[int]:
        """The places that answer no other proposal; none if nothing else is left."""
        taken = set(self.places.values())
        return taken if len(taken) < len(self._known.curves.records) else set()

    def _answer(self, planned: PlannedRun) -> None:
        key, curves = planned.key, self._known.curves
        before = max(
            (r.key.budget for r in self._runs if r.key.configuration == key.configuration),
            default=0,
        )
        place = self.places.get(key.configuration)
        if place is None:
            place = curves.nearest(planned.params, self._taken())
            self.places[key.configuration] = place
        value, cost = self._known.run(place, key.budget, before)
        number = len(self._runs)
        learned = value is not None and value >= LEARNED
        ended = EndedRun(
            key,
            planned.params,
            value,
            self._generation,
            number,
            planned.system_attrs,
            has_learned=learned,
        )
        self._runs.append(ended)
        self.spent += cost
        if key.budget == self._preset.budgets[-1]:
            self.in_full.add(place)
        if value is not None and (key.budget, value) > self._best:
            self._best = (key.budget, value)
            self.answers.append((self.spent, float(curves.finals[place])))


def search(known: WholeRuns, preset: str, name: str, method: Method, seed: int) -> Row:
    """One search: its regret after each of EPOCHS, and what became of the slow starters."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    made = Replayed(known, in_budgets(preset, method), method.strategy, seed)
    while made.spent < EPOCHS[-1]:
        made.advance()
    since, values = np.array(made.answers).T
    at = np.searchsorted(since, EPOCHS, side="right") - 1
    slow = known.curves.slow_starters() & set(made.places.values())
    return {
        "method": name,
        "seed": seed,
        "regret": (known.curves.finals.max() - values[at]).tolist(),
        "configurations": len(made.places),
        "slow": [len(slow), len(slow - made.in_full)],
    }


_tables: dict[str, WholeRuns] = {}


def _replayed(path: str, preset: str, name: str, seed: int) -> Row:
    if path not in _tables:
        _tables[path] = WholeRuns.load(Path(path))
    known = _tables[path]
    if name in METHODS[preset]:
        return search(known, preset, name, METHODS[preset][name], seed)
    row = replay(known.curves, *(IN_FULL | TRUNCATED)[name], seed, once=True)
    kept = {key: row[key] for key in ("seed", "regret", "slow")}
    return {"method": name, "configurations": row["trials"], **kept}


def show(console: Console, rows: Sequence[Row], known: WholeRuns, names: Sequence[str]) -> None:
    """The regret by epochs, and how many slow starters were never trained in full."""
    curves = known.curves
    console.print(
        f"{len(curves.records)} configurations, the best ends at {curves.finals.max():.4f}"
    )
    made = table("mean regret after so many epochs (95 % interval)", "search", "n")
    for epochs in EPOCHS:
        made.add_column(str(epochs), justify="right")
    made.add_column("configurations", justify="right")
    made.add_column("slow starters not trained in full", justify="right")
    for name in names:
        mine = [row for row in rows if row["method"] == name]
        if mine:
            regrets = np.array([row["regret"] for row in mine])
            met, lost = np.sum([row["slow"] for row in mine], axis=0)
            made.add_row(
                name,
                str(len(mine)),
                *(interval(regrets[:, place]) for place in range(len(EPOCHS))),
                f"{np.mean([row['configurations'] for row in mine]):.0f}",
                f"{lost} of {met}",
            )
    console.print(made)


@app.command()
def main(
    preset: Annotated[str, typer.Option(help="Whose table: paper or wide.")] = "paper",
    seeds: Annotated[int, typer.Option(min=1, help="Replays of each search.")] = 100,
    processes: Annotated[int, typer.Option(min=1)] = 2,
    only: Annotated[str, typer.Option(help="Searches whose names begin so; by default all.")] = "",
) -> None:
    """Replay searches in budgets on stored runs."""
    console = Console(width=170)
    source = STORED / f"{preset}.jsonl.gz"
    known = WholeRuns.load(source)
    names = [n for n in [*IN_FULL, *TRUNCATED, *METHODS[preset]] if n.startswith(only)]
    path = RESULTS / f"replay-budgets-{preset}.json"
    settings = {"configurations": len(known.curves.records), "epochs": list(EPOCHS)}
    tasks = [(name, seed) for seed in range(seeds) for name in names]
    one = partial(_replayed, str(source), preset)
    rows = collected(console, path, settings, ("method", "seed"), tasks, one, processes)
    show(console, rows, known, names)
    console.print(f"written: {path}")


if __name__ == "__main__":
    run(app)
