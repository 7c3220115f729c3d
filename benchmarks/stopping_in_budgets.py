"""How searches in budgets end: python -m benchmarks.stopping_in_budgets

Simulated searches, planned as real ones are: the accuracy of a configuration is a smooth function
of its hyperparameters, with a deviation of its own (.002) and one for each seed (.003). Printed is,
for several thresholds of `STOP_WHEN`, how many searches stop, after how many trials, what the
choice has lost compared with all trials, and how many races were decided; and what becomes of
searches of 50 trials whose race was not decided and that go on by the report's advice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Annotated, Any, NamedTuple

import numpy as np
import optuna
import typer
from optuna.trial import FrozenTrial, TrialState, create_trial
from rich.console import Console

from benchmarks.lag import interval
from benchmarks.tools.record import table
from fmnist_model.utils.cli import new_app, run
from search.algorithms.terminator import expected_gain
from search.generations.plan import plan, race_is_over, race_reserve
from search.generations.race import seeds_to_decide
from search.presets.files import parse_preset
from search.study.runs import EndedRun, PlannedRun
from search.study.standings import chosen, is_decided, standings
from search.study.trial_record import TrialRecord
from studies.report.summary import SEEDS_MARGIN

PRESET = parse_preset(
    {
        "train": {"epochs": 16},
        "search": {"budgets": [1, 4, 16], "reduction_factor": 2, "generation": 8},
        "model": {"padding": "same"},
        "space": {
            "learning_rate": {"low": 0.01, "high": 0.4, "log": True},
            "momentum": {"low": 0.0, "high": 0.9},
            "dropout": {"low": 0.0, "high": 0.5},
            "activation": ["relu", "tanh", "gelu"],
            "filters": [[16, 32], [32, 64], [48, 96]],
        },
    },
    "simulated",
)
TOP = PRESET.budgets[-1]
OWN_SD, SEED_SD = 0.002, 0.003
SHORT = 50

app = new_app("Measure how searches in budgets end.")


class Found(NamedTuple):
    """What a search has come to.

    After how many trials; the true accuracy of what it chose, and whether its race was decided, at
    the end or at any time.
    """

    trials: int
    truth: float
    decided: bool
    ever: bool


class Search:
    """A simulated search; the same seed gives the same accuracies."""

    def __init__(self, seed: int) -> None:
        self._seed, self.runs = seed, list[EndedRun]()
        self._best_rate, self._best_dropout = np.random.default_rng(seed).uniform(
            [-0.8, 0.1], [-0.3, 0.4]
        )

    def go_on(self, trials: int, below: float | None = None) -> Found:
        """Search until there are so many trials; with `below` it may stop early."""
        ever = False
        while (remaining := trials - len(self.runs)) > 0:
            little = below is not None and self._gain() < below
            if little and race_is_over(PRESET, self.runs):
                break
            generation = 1 + max((run.generation for run in self.runs), default=-1)
            reserve = remaining if little else race_reserve(trials)
            first = len(self.runs)
            planned = plan(PRESET, self._seed, self.runs, generation, first, remaining, reserve)
            self.runs += list(self._ended(planned, generation))
            ever = ever or is_decided(standings(self.runs, PRESET, TOP))
        found = standings(self.runs, PRESET, TOP)
        truth = self.truth(chosen(found).params, TOP)
        return Found(len(self.runs), truth, is_decided(found), ever)

    def _ended(self, planned: Sequence[PlannedRun], generation: int) -> Iterator[EndedRun]:
        for ordinal, one in enumerate(planned, len(self.runs)):
            seeds = np.random.default_rng([self._seed, *one.key])
            value = self.truth(one.params, one.key.budget) + SEED_SD * seeds.normal()
            kept = (one.system_attrs, one.arm)
            yield EndedRun(one.key, one.params, value, generation, ordinal, *kept)

    def truth(self, params: Any, budget: int) -> float:
        """The accuracy of a configuration with so many epochs, on average over its seeds."""
        numbers = (params["learning_rate"], params["momentum"], params["dropout"])
        own = np.random.default_rng([self._seed, *(int(1e9 * number) for number in numbers)])
        step = math.log10(params["learning_rate"] / (1 - params["momentum"]))
        size = {"16-32": 0.0, "32-64": 0.005, "48-96": 0.007}[params["filters"]]
        kind = {"relu": 0.0, "tanh": -0.01, "gelu": 0.003}[params["activation"]]
        off = 0.02 * (step - self._best_rate) ** 2
        off += 0.05 * (params["dropout"] - self._best_dropout) ** 2
        grown = 0.925 - 0.08 / budget + size * (1 - 1 / budget)
        return float(grown + kind - off + OWN_SD * own.normal())

    def _gain(self) -> float:
        gain = expected_gain([_trial(run) for run in self.runs], len(self.runs), TOP)
        return gain.expected if gain is not None else math.inf


def _trial(ended: EndedRun) -> FrozenTrial:
    record = TrialRecord.of_plan(ended.number, *ended.key, ended.generation, "new")
    attributes = dict(record.attributes)
    made = create_trial(state=TrialState.COMPLETE, value=ended.value, user_attrs=attributes)
    made.number = ended.number
    return made


def stopped(trials: int, thresholds: Sequence[float], seed: int) -> list[Found]:
    """A search of all trials, and then the same with each threshold."""
    _quiet()
    return [Search(seed).go_on(trials, below) for below in (None, *thresholds)]


def advised(seed: int) -> Found | None:
    """What becomes of a short search that goes on by the report's advice; None if none is given."""
    _quiet()
    short = Search(seed)
    short.go_on(SHORT)
    seeds = SEEDS_MARGIN * seeds_to_decide(standings(short.runs, PRESET, TOP))
    return short.go_on(SHORT + min(seeds, SHORT - 1)) if seeds else None


def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@app.command()
def main(
    seeds: Annotated[int, typer.Option(min=2, help="Searches.")] = 40,
    trials: Annotated[int, typer.Option(help="Trials of a search that does not stop.")] = 400,
    below: Annotated[str, typer.Option(help="Thresholds, with commas.")] = "0.0003,0.001,0.003",
    processes: Annotated[int, typer.Option(min=1)] = 2,
) -> None:
    """Print what stopping saves and loses, and what the report's advice leads to."""
    thresholds = [float(each) for each in below.split(",")]
    with ProcessPoolExecutor(processes) as pool:
        rows = list(pool.map(partial(stopped, trials, thresholds), range(seeds)))
        given = [one for one in pool.map(advised, range(seeds)) if one is not None]
    made = table(f"n = {seeds}", "stop when below", "stopped", "after trials", "lost", "decided")
    for place, threshold in enumerate(("never", *thresholds)):
        mine = [row[place] for row in rows]
        lost = [row[0].truth - row[place].truth for row in rows]
        after = [one.trials for one in mine]
        made.add_row(
            str(threshold),
            str(sum(count < trials for count in after)),
            f"{np.mean(after):.0f} (sd {np.std(after):.0f})",
            interval(lost),
            str(sum(one.decided for one in mine)),
        )
    console = Console(width=110)
    console.print(made)
    console.print(
        f"of {seeds} searches of {SHORT} trials {len(given)} were not decided; by the advice "
        f"{sum(one.ever for one in given)} were, {sum(one.decided for one in given)} of them or "
        f"others at the end, after {np.mean([one.trials for one in given]):.0f} trials"
    )


if __name__ == "__main__":
    run(app)
