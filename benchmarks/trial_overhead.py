"""The cost of a trial in addition to its training steps: python -m benchmarks.trial_overhead

The paper preset is searched without budgets or a pruner, so that each trial trains ten epochs and
makes ten reports, on 100 training and 25 validation images, so that there is almost no arithmetic.
This toolkit, with its time split into parts, is compared with the usual trial (Optuna with TPE and
SQLite; build, compile, fit). Each runs in a process of its own, and they take turns of a few
trials. The training steps of the usual trial are subtracted, too; its first step, which traces,
counts as one like the others. The memory of the process is noted after each trial. Trials that were
made are kept; asking for more trials continues from there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import psutil
import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks.tools.isolated import Isolated
from benchmarks.tools.record import RESULTS, load_rows, print_goal, save_rows, spread, table
from fmnist_model.utils.cli import PATHS, new_app, run
from search.presets.files import load_preset
from search.presets.preset import Preset
from search.study.trial_record import TrialRecord

if TYPE_CHECKING:
    from benchmarks.tools.stopwatch import Stopwatch

IMAGES = 100
TURN = 10
"""Trials in a row before it is the other arm's turn."""
GOAL_SECONDS, GOAL_MIB = 0.05, 1.0
PARTS = (
    *("claim", "sample", "prune", "database", "commit"),
    *("initialise", "shuffle", "validate", "vital signs", "look"),
)

app = new_app("Measure what a trial costs in addition to its training steps.")
Row = dict[str, Any]


def preset() -> Preset:
    """The paper preset on very few images, without budgets, a pruner and arms."""
    tree = load_preset("paper", PATHS.presets).model_dump(exclude_unset=True)
    tree |= {"data": {"limit": IMAGES}, "pruner": {"name": "none"}, "arms": [], "search": None}
    return Preset.model_validate(tree)


def ours(count: int, file: str) -> list[Row]:
    """Make `count` more trials of this toolkit, in a study in this file."""
    from optuna.trial import Trial

    from benchmarks.standins.replay import quiet
    from search.execution.job import SearchJob
    from search.execution.runner import run_search
    from search.execution.trial_queue import TrialQueue
    from search.storage.connection import open_storage
    from search.study.study import open_study

    url = f"sqlite:///{file}"
    study = open_study(open_storage(url), "ours", preset(), seed=0)
    watch, claim = _watched(), TrialQueue.next
    rows: list[Row] = []

    def next_one(claims: TrialQueue) -> Any:
        """Claim a trial; this is where one trial has ended and the next one begins."""
        now, parts = time.perf_counter(), watch.lap()
        if rows:
            rows[-1] |= _ended(now - rows[-1].pop("began"), parts)
        claimed = claim(claims)
        if isinstance(claimed, Trial):
            rows.append({"trial": claimed.number, "began": now})
        return claimed

    TrialQueue.next = next_one  # type: ignore[method-assign, assignment]
    try:
        job = SearchJob(preset(), "ours", url, len(study.trials) + count, seed=0)
        run_search(job, quiet(), load=lambda *_: _engine())
    finally:
        TrialQueue.next = claim  # type: ignore[method-assign]
    trials = study.get_trials(deepcopy=False)
    for row in rows:
        row["network"] = _network(trials[row["trial"]].params)
        row["epochs"] = TrialRecord.of(trials[row["trial"]]).epochs_run
    return rows


def _ended(whole: float, parts: Row) -> Row:
    """What a trial took: in all, without its training steps, and by part."""
    fixed = whole - parts.pop("train", 0.0)
    return {"whole": whole, "fixed": fixed, "parts": parts, **_process()}


def _process() -> Row:
    return {"pid": os.getpid(), "mib": psutil.Process().memory_info().rss / 2**20}


def _network(params: dict[str, Any]) -> str:
    return f"{params['activation']}, {params['output_activation']}"


@cache
def _engine() -> Any:
    from fmnist_model.dataset.fashion_mnist import load_train, split
    from fmnist_model.tensorflow_engine.engine import TensorFlowEngine

    return TensorFlowEngine(*split(load_train(data_home=PATHS.data), IMAGES))


@cache
def _watched() -> Stopwatch:
    """A stopwatch on all parts of one of our trials."""
    from optuna.storages import RDBStorage
    from sqlalchemy.engine import Transaction

    from benchmarks.tools.stopwatch import Stopwatch
    from fmnist_model.tensorflow_engine.program import TrainingProgram
    from search.algorithms.pruners import KillProofPruner
    from search.algorithms.samplers import KillProofSampler
    from search.execution.trial_queue import TrialQueue
    from search.storage.rdb import FastRDBStorage

    watch = Stopwatch()
    watch.watch(TrialQueue, "next", "claim")
    watch.watch_all(KillProofSampler, "sample")
    watch.watch_all(KillProofPruner, "prune")
    classes = FastRDBStorage.__mro__
    for owner in classes[: classes.index(RDBStorage) + 1]:
        watch.watch_all(owner, "database")
    watch.watch(Transaction, "commit", "commit")
    for method, part in (
        ("reset", "initialise"),
        ("show", "shuffle"),
        ("train", "train"),
        ("score", "validate"),
        ("vital_signs", "vital signs"),
        ("census", "look"),
    ):
        watch.watch(TrainingProgram, method, part)
    return watch


def usual(count: int, file: str) -> list[Row]:
    """Make `count` more trials of build, compile and fit, in a study in this file."""
    import optuna

    from benchmarks.peers.fit import Prune, arrays, fit
    from benchmarks.peers.step_times import StepTimes
    from fmnist_model.dataset.fashion_mnist import load_train, split
    from search.presets.search_space import configurations, suggest

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        storage=f"sqlite:///{file}",
        study_name="usual",
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.NopPruner(),
    )
    data = arrays(*split(load_train(data_home=PATHS.data), IMAGES))
    rows: list[Row] = []
    for _ in range(count):
        steps, started = StepTimes(), time.perf_counter()
        trial = study.ask()
        suggest(trial, preset())
        model, train = configurations(preset(), trial.params, trial.number)
        study.tell(trial, fit(model, train, data, [steps, Prune(trial)]))
        whole = time.perf_counter() - started
        rows.append(
            {
                "trial": trial.number,
                "whole": whole,
                "fixed": whole - len(steps.seconds) * median(steps.seconds),
                "network": _network(trial.params),
                "epochs": len(steps.seconds),
                **_process(),
            }
        )
    return rows


ARMS: dict[str, Callable[[int, str], list[Row]]] = {"ours": ours, "build, compile, fit": usual}


def measure(rows: list[Row], trials: int, path: Path, keep: Callable[[list[Row]], None]) -> None:
    """Add rows until each arm has this many trials."""

    def missing(arm: str) -> int:
        return trials - len([row for row in rows if row["arm"] == arm])

    with ExitStack() as stack:
        processes = {arm: stack.enter_context(Isolated()) for arm in ARMS}
        while any(missing(arm) > 0 for arm in ARMS):
            for arm, function in ARMS.items():
                count = min(TURN, missing(arm))
                if count > 0:
                    new = processes[arm].call(function, count, str(path.with_suffix(".db")))
                    rows += [{"arm": arm, **row} for row in new]
                    keep(rows)


def settled(rows: list[Row], arm: str) -> list[Row]:
    """The trials of an arm, without the first of each network in each process, which traces."""
    seen: set[tuple[int, str]] = set()
    later = []
    for row in rows:
        if row["arm"] == arm:
            if (row["pid"], row["network"]) in seen:
                later.append(row)
            seen.add((row["pid"], row["network"]))
    return later


def growth(rows: list[Row], arm: str) -> tuple[float, int]:
    """MiB that memory grows by a trial over the last half of an arm's last process, and of how
    many trials that is the mean: half of them, at most 100."""
    mine = [row for row in rows if row["arm"] == arm]
    last = [row["mib"] for row in mine if row["pid"] == mine[-1]["pid"]]
    span = max(1, min(100, len(last) // 2))
    return (last[-1] - last[-1 - span]) / span if len(last) > span else 0.0, span


def show(console: Console, rows: list[Row]) -> None:
    """Both arms, where our trials spend their time, and the goals."""
    made = table("a trial of ten epochs, without its steps", "", "n", "ms", "growth, MiB a trial")
    for arm in ARMS:
        later = [1000 * row["fixed"] for row in settled(rows, arm)]
        grown, span = growth(rows, arm)
        made.add_row(arm, str(len(later)), spread(later, ".0f"), f"{grown:.2f} over {span}")
    console.print(made)
    mine = settled(rows, "ours")
    parts = table("ours by part", "", "ms: median (quartiles)")
    for part in PARTS:
        parts.add_row(part, spread([1000 * row["parts"].get(part, 0.0) for row in mine], ".1f"))
    rest = [1000 * (row["fixed"] - sum(row["parts"].values())) for row in mine]
    parts.add_row("all else", spread(rest, ".1f"))
    console.print(parts)
    found, (grown, span) = median(row["fixed"] for row in mine), growth(rows, "ours")
    print_goal(console, "of 50 ms at the median", f"{1000 * found:.0f} ms", found <= GOAL_SECONDS)
    print_goal(
        console,
        "of at most 1 MiB a trial over the last 100",
        f"{grown:.2f} MiB over the last {span}",
        grown <= GOAL_MIB,
    )


@app.command()
def main(trials: Annotated[int, typer.Option(min=8, help="Trials of each arm.")] = 200) -> None:
    """Measure what a trial costs in addition to its training steps."""
    from fmnist_model.dataset.fashion_mnist import load_train

    console = Console(width=110)
    load_train(data_home=PATHS.data)  # fetched and decoded once, here
    path, settings = RESULTS / "trial-overhead.json", {"images": IMAGES, "epochs": preset().epochs}
    rows = load_rows(path, settings)
    if not rows:
        path.with_suffix(".db").unlink(missing_ok=True)
    with Progress(console=console) as progress:
        task = progress.add_task("trials", total=2 * trials, completed=len(rows))

        def keep(found: list[Row]) -> None:
            save_rows(path, settings, found)
            progress.update(task, completed=len(found))

        measure(rows, trials, path, keep)
    show(console, rows)
    console.print(f"written: {path}")


if __name__ == "__main__":
    run(app)
