"""How far the searching carries: python -m benchmarks.scale --storage URL --workers 1,4,16,64

Training is replaced by curves that are made up and sleep (benchmarks/replay.py: ten epochs of
0.2 s, no pruner unless it is named), so that what is left is processes, claims, samplers and the
database. Prints for each number of workers the trials a second beside those that sleeping alone
would allow, the share of the workers' time in trials, and the epochs that were run; --lag shows
what a lag costs. Then, with --grow 100,1000,10000, the median seconds of a claim, a proposal, a
report and an attribute in a study of so many trials, one worker. Studies' names are new each time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import optuna
import typer
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from fmnist_model.command_line import new_app, run
from search.claims import Claims
from search.preset import Preset, load_preset
from search.pruning import make_pruner
from search.space import distributions, suggest
from search.storage import open_storage, shown
from search.study import open_study
from search.trials import ORDINAL

EPOCHS, SECONDS = 10, 0.2
PRESET = f"""
[train]
epochs = {EPOCHS}

[space]
activation = ["sigmoid", "relu"]
dropout = {{ low = 0.0, high = 0.5 }}
learning_rate = {{ low = 0.15, high = 0.45 }}

[sampler]
name = "SAMPLER"

[pruner]
name = "PRUNER"

[workers]
LAG
"""
REPEATS = 7

app = new_app("Measure how the search scales.")


def throughput(url: str, workers: int, trials: int) -> tuple[float, float, int]:
    """Trials a second of so many workers, from the first one's start to the last one's end; the
    share of that time that workers spent in trials; and the epochs that were run."""
    name = f"scale-{uuid.uuid4().hex[:8]}"
    open_study(open_storage(url), name, load_preset("replay"), seed=0)
    root = str(Path(__file__).parent.parent)
    command = [sys.executable, "-m", "benchmarks.replay", name, str(trials), str(SECONDS)]
    started = [
        subprocess.Popen(
            [*command, "--parent", str(os.getpid())],
            env={**os.environ, "STORAGE": url, "PYTHONPATH": root},
        )
        for _ in range(workers)
    ]
    for process in started:
        process.wait()
    done = optuna.load_study(study_name=name, storage=open_storage(url)).get_trials(deepcopy=False)
    starts = [trial.datetime_start for trial in done if trial.datetime_start]
    ends = [trial.datetime_complete for trial in done if trial.datetime_complete]
    wall = (max(ends) - min(starts)).total_seconds()
    busy = sum(trial.duration.total_seconds() for trial in done if trial.duration)
    epochs = sum(trial.user_attrs["epochs_run"] for trial in done)
    return len(ends) / wall, busy / wall / workers, epochs


def filled(url: str, preset: Preset, count: int) -> Study:
    """A study with so many trials that completed, of random parameters."""
    storage = open_storage(url, heartbeat=60)
    study = open_study(storage, f"grown-{uuid.uuid4().hex[:8]}", preset, seed=0)
    study.pruner = make_pruner(preset)
    study.add_trials([_completed(number, preset) for number in range(count)])
    return study


def _completed(number: int, preset: Preset) -> FrozenTrial:
    random = np.random.default_rng(number)
    params: dict[str, Any] = {
        "activation": str(random.choice(["sigmoid", "relu"])),
        "dropout": float(random.uniform(0, 0.5)),
        "learning_rate": float(random.uniform(0.15, 0.45)),
    }
    curve = {epoch: float(random.uniform()) for epoch in range(1, EPOCHS + 1)}
    return create_trial(
        state=TrialState.COMPLETE,
        value=curve[EPOCHS],
        params=params,
        distributions=distributions(preset),
        intermediate_values=curve,
        user_attrs={ORDINAL: number},
    )


def costs(url: str, preset: Preset, count: int) -> dict[str, float]:
    """Median seconds of what a trial asks of a study of so many trials."""
    study = filled(url, preset, count)
    claims = Claims(study, open_storage(url, heartbeat=60), preset, count + REPEATS)
    taken: dict[str, list[float]] = {"claim": [], "propose": [], "report": [], "attribute": []}

    def timed(what: str, act: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = act()
        taken[what].append(time.perf_counter() - started)
        return result

    for repeat in range(REPEATS):
        trial = timed("claim", claims.next)
        timed("propose", partial(suggest, trial, preset))
        timed("report", partial(_report, trial))
        timed("attribute", partial(trial.set_user_attr, "epochs_run", 1))
        study.tell(trial, 0.5 + repeat / 100)
    return {what: median(seconds) for what, seconds in taken.items()}


def _report(trial: optuna.Trial) -> None:
    trial.report(0.5, 1)
    trial.should_prune()


@app.command()
def main(
    storage: Annotated[str, typer.Option(envvar="STORAGE", help="A database for the studies.")],
    workers: Annotated[str, typer.Option(help="Numbers of workers, with commas.")] = "1,4,16",
    grow: Annotated[str, typer.Option(help="Sizes of a study, with commas.")] = "100,1000",
    trials: Annotated[int, typer.Option(help="Trials of each; 0: four a worker.")] = 0,
    sampler: Annotated[str, typer.Option(help="The preset's sampler.")] = "tpe",
    pruner: Annotated[str, typer.Option(help="The preset's pruner.")] = "none",
    lag: Annotated[int | None, typer.Option(help="The preset's lag.")] = None,
) -> None:
    """Print trials a second by workers, and what a trial costs by the study's size."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    console = Console()
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        Path("studies").mkdir()
        path = Path("studies/replay.toml")
        text = PRESET.replace("SAMPLER", sampler).replace("LAG", f"lag = {lag}" if lag else "")
        path.write_text(text.replace("PRUNER", pruner))
        columns = ("workers", "trials/s", "if sleeping were all", "in trials", "epochs")
        table = _table(*columns, title=shown(storage))
        for count in [int(n) for n in workers.split(",") if n]:
            number = trials or max(20, 4 * count)
            rate, busy, epochs = throughput(storage, count, number)
            most = count * number / (epochs * SECONDS)
            table.add_row(str(count), f"{rate:.2f}", f"{most:.2f}", f"{busy:.0%}", str(epochs))
        console.print(table)
        path.write_text(text.replace("PRUNER", "successive_halving"))
        table = _table("trials", "claim", "propose", "report", "attribute", title="seconds each")
        for count in [int(n) for n in grow.split(",") if n]:
            found = costs(storage, load_preset("replay"), count)
            table.add_row(f"{count:,}", *(f"{seconds:.3f}" for seconds in found.values()))
        console.print(table)


def _table(*columns: str, title: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right")
    return table


if __name__ == "__main__":
    run(app)
