"""Other libraries that search in budgets, on stored runs: python -m benchmarks.replay_peers

SMAC3, NePS, DEHB and Optuna's Hyperband search the table on which `benchmarks.replay_budgets`
replays ours, and HEBO, which knows no budgets. They have the same space, a stored run for each
configuration, and are charged the same epochs: where the learning rate is constant a longer run
goes on from a shorter one of the same configuration, and a run that was made already costs nothing.
A stuck run ends where our diagnosis ends it, and its accuracy is that of chance. Each would answer
with the best of the configurations with the longest runs, as ours does. Optuna's Hyperband prunes
runs that were begun as whole ones, as it is made to. What is not installed here is left out;
searches that were replayed are kept, so that one environment can go on where another has ended.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from benchmarks.curves.lookup import WholeRuns
from benchmarks.curves.table import STORED
from benchmarks.peers.multi_fidelity import PEERS, Search, Wanted
from benchmarks.replay_budgets import METHODS, search as search_of_ours
from benchmarks.replay_search import BUDGETS as EPOCHS, interval, replay
from benchmarks.tools.record import RESULTS, collected, table
from fmnist_model.utils.cli import new_app, run
from fmnist_model.utils.errors import UserError

CHANCE = 0.1
"""The accuracy that a stuck run is said to have."""
OURS = {"paper": ("1 5 10, by 2",), "wide": ("1 12, by 6",)}
"""Our searches beside them, by the table."""
OF_OPTUNA = {
    "random, in full": ("random", "none"),
    "tpe, in full": ("tpe", "none"),
    "optuna, hyperband": ("tpe", "hyperband 3"),
}

app = new_app("Replay other libraries' searches in budgets on stored runs.")
Row = dict[str, Any]


class Ledger:
    """Answers a search's runs from a table, counts their epochs, and notes its best answer."""

    def __init__(self, known: WholeRuns) -> None:
        self._known = known
        self._places: dict[tuple[Any, ...], int] = {}
        self._tried: dict[tuple[Any, ...], int] = {}
        self._made: dict[tuple[tuple[Any, ...], int], float] = {}
        self._best = (0, 0.0)
        self.spent = 0.0
        self.answers = [(0.0, 0.0)]
        """From so many epochs on, the final accuracy of what the search would answer with."""

    @property
    def configurations(self) -> int:
        """How many it has tried."""
        return len(self._tried)

    @property
    def runs(self) -> int:
        """How many runs it has made, those that cost nothing left out."""
        return len(self._made)

    def train(self, wanted: Wanted) -> float:
        """The accuracy of a run."""
        curves = self._known.curves
        configuration = tuple(wanted.params[name] for name in curves.space)
        made = (configuration, wanted.epochs)
        if made not in self._made:
            place = self._place(configuration, wanted.params)
            before = self._tried.get(configuration, 0)
            value, cost = self._known.run(place, wanted.epochs, before)
            self.spent += max(0.0, cost)
            self._tried[configuration] = max(before, wanted.epochs)
            self._made[made] = CHANCE if value is None else value
            if value is not None and (wanted.epochs, value) > self._best:
                self._best = (wanted.epochs, value)
                self.answers.append((self.spent, float(curves.finals[place])))
        return self._made[made]

    def _place(self, configuration: tuple[Any, ...], params: Mapping[str, Any]) -> int:
        """The nearest run of the table that answers no other configuration, if one is left."""
        if configuration not in self._places:
            taken, curves = set(self._places.values()), self._known.curves
            left_out = taken if len(taken) < len(curves.records) else set()
            self._places[configuration] = curves.nearest(params, left_out)
        return self._places[configuration]


def follow(known: WholeRuns, asking: Search, epochs: float) -> Ledger:
    """Answer a search until it has spent so many epochs."""
    ledger = Ledger(known)
    wanted = next(asking)
    while ledger.spent < epochs:
        wanted = asking.send(ledger.train(wanted))
    asking.close()
    return ledger


def search(known: WholeRuns, name: str, seed: int) -> Row:
    """One search of a peer: its regret after each of EPOCHS."""
    began = time.process_time()
    asking = PEERS[name].begin(known.curves.space, known.epochs, EPOCHS[-1], seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ledger = follow(known, asking, EPOCHS[-1])
    since, values = np.array(ledger.answers).T
    at = np.searchsorted(since, EPOCHS, side="right") - 1
    return {
        "method": name,
        "seed": seed,
        "regret": (known.curves.finals.max() - values[at]).tolist(),
        "configurations": ledger.configurations,
        "runs": ledger.runs,
        "seconds": round(time.process_time() - began, 1),
        "version": PEERS[name].version(),
    }


_tables: dict[str, WholeRuns] = {}


def _replayed(path: str, preset: str, name: str, seed: int) -> Row:
    if path not in _tables:
        _tables[path] = WholeRuns.load(Path(path))
    known = _tables[path]
    if name in PEERS:
        return search(known, name, seed)
    if name in OURS[preset]:
        row = search_of_ours(known, preset, name, METHODS[preset][name], seed)
    else:
        row = replay(known.curves, *OF_OPTUNA[name], seed, once=True)
        row["configurations"] = row["trials"]
    kept = {key: row[key] for key in ("seed", "regret", "configurations")}
    return {"method": name, **kept}


def methods(preset: str) -> Mapping[str, bool]:
    """All searches of a table, and whether they can be replayed here."""
    always = [*OURS[preset], *OF_OPTUNA]
    return {**dict.fromkeys(always, True), **{n: peer.is_installed() for n, peer in PEERS.items()}}


def show(console: Console, rows: Sequence[Row], names: Sequence[str]) -> None:
    """The regret by epochs, and how much each search has tried."""
    made = table("mean regret after so many epochs (95 % interval)", "search", "n")
    for epochs in EPOCHS:
        made.add_column(str(epochs), justify="right")
    made.add_column("configurations", justify="right")
    made.add_column("processor seconds", justify="right")
    for name in names:
        mine = [row for row in rows if row["method"] == name]
        if mine:
            regrets = np.array([row["regret"] for row in mine])
            seconds = [row["seconds"] for row in mine if "seconds" in row]
            made.add_row(
                name,
                str(len(mine)),
                *(interval(regrets[:, place]) for place in range(len(EPOCHS))),
                f"{np.mean([row['configurations'] for row in mine]):.0f}",
                f"{np.median(seconds):.0f}" if seconds else "",
            )
    console.print(made)
    console.print("; ".join(sorted({row["version"] for row in rows if "version" in row})))


def chosen(preset: str, only: str) -> list[str]:
    """The searches whose names begin so and that can be replayed here."""
    found = {name: here for name, here in methods(preset).items() if name.startswith(only)}
    if not found:
        known = ", ".join(methods(preset))
        raise UserError(f"no search of {preset} begins with {only!r}; there are {known}")
    names = [name for name, here in found.items() if here]
    if not names:
        raise UserError(
            f"{next(iter(found))} is not installed here; docs/benchmarks.md says which environment "
            f"it needs"
        )
    return names


@app.command()
def main(
    preset: Annotated[str, typer.Option(help="Whose table: paper or wide.")] = "paper",
    seeds: Annotated[int, typer.Option(min=1, help="Replays of each search.")] = 20,
    processes: Annotated[int, typer.Option(min=1)] = 2,
    only: Annotated[str, typer.Option(help="Searches whose names begin so; by default all.")] = "",
) -> None:
    """Replay other libraries' searches in budgets on stored runs."""
    names = chosen(preset, only)
    console = Console(width=190)
    source = STORED / f"{preset}.jsonl.gz"
    known = WholeRuns.load(source)
    path = RESULTS / f"replay-peers-{preset}.json"
    settings = {"configurations": len(known.curves.records), "epochs": list(EPOCHS)}
    tasks = [(name, seed) for seed in range(seeds) for name in names]
    one = partial(_replayed, str(source), preset)
    rows = collected(console, path, settings, ("method", "seed"), tasks, one, processes)
    show(console, rows, list(methods(preset)))
    console.print(f"written: {path}")


if __name__ == "__main__":
    run(app)
