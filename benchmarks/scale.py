"""How far the searching carries: python -m benchmarks.scale --storage URL --workers 1,4,16,64,256

Training is replaced by sleep and the curves of stored runs (benchmarks/stored.py: eight epochs of
half a second, no pruner unless it is named); everything else is what a worker does. A simulated
worker is a thread with a storage and connections of its own, up to 32 in a process. Prints for each
number of workers the trials a second beside those that sleeping alone would allow, what a trial
takes of the processors and the database, and how long workers wait for a report and between two
trials. Then, with --grow 100,1000,10000, the milliseconds of each step in a study of so many
trials, one worker, and with --ask 100,1000,10000 what of that is the sampler's. Studies' names are
new each time.
"""

from __future__ import annotations

import json
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
import psutil
import typer
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from benchmarks.stored import EPOCHS, PRESET
from fmnist_model.command_line import new_app, run
from search.claims import Claims, Rest
from search.preset import Preset, load_preset
from search.pruning import make_pruner
from search.sampling import make_sampler
from search.space import distributions, suggest
from search.storage import open_storage, shown, transaction
from search.study import open_study
from search.trials import ORDINAL

SECONDS = 0.5
THREADS = 32
REPEATS = 7

app = new_app("Measure how the search scales.")


def throughput(url: str, workers: int, trials: int) -> list[str]:
    """A row of the table: `trials` trials by so many workers that begin at once."""
    name = f"scale-{uuid.uuid4().hex[:8]}"
    open_study(open_storage(url), name, load_preset("replay"), seed=0)
    shares = [min(THREADS, workers - first) for first in range(0, workers, THREADS)]
    command = [sys.executable, "-m", "benchmarks.simulated", name, str(trials)]
    environment = {**os.environ, "STORAGE": url, "PYTHONPATH": str(Path(__file__).parent.parent)}
    processes = [
        subprocess.Popen(
            [*command, str(share), str(SECONDS)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for share in shares
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", "a process did not start"
    server = _server_seconds()
    started = time.perf_counter()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    taken = [json.loads(process.communicate()[0]) for process in processes]
    wall = time.perf_counter() - started
    server = _server_seconds() - server
    done = optuna.load_study(study_name=name, storage=open_storage(url)).get_trials(deepcopy=False)
    epochs = sum(trial.user_attrs.get("epochs_run", 0) for trial in done)
    reports, between = ([s for each in taken for s in each[key]] for key in ("reports", "between"))
    return [
        str(workers),
        f"{len(done) / wall:.2f}",
        f"{workers * len(done) / (epochs * SECONDS):.2f}",
        f"{epochs * SECONDS / wall / workers:.0%}",
        f"{sum(each['cpu'] for each in taken) / len(done):.3f}",
        f"{server / len(done):.3f}",
        f"{sum(each['commits'] for each in taken) / len(done):.1f}",
        _milliseconds(reports),
        _milliseconds(between),
        f"{os.getloadavg()[0]:.0f}",
    ]


def _server_seconds() -> float:
    """The processor time of PostgreSQL on this machine, processes that have ended included."""
    processes = psutil.process_iter(["name", "cpu_times"])
    return sum(sum(p.info["cpu_times"][:4]) for p in processes if p.info["name"] == "postgres")


def _milliseconds(seconds: list[float]) -> str:
    """Median and 95 % quantile."""
    if not seconds:
        return "-"
    low, high = np.quantile(seconds, [0.5, 0.95]) * 1000
    return f"{low:,.0f} {high:,.0f}"


def filled(url: str, preset: Preset, count: int) -> Study:
    """A study with so many trials that completed, of random parameters."""
    storage = open_storage(url, heartbeat=60)
    study = open_study(storage, f"grown-{uuid.uuid4().hex[:8]}", preset, seed=0)
    study.pruner = make_pruner(preset)
    with transaction(study):
        study.add_trials([_completed(number, preset) for number in range(count)])
    return study


def _completed(number: int, preset: Preset) -> FrozenTrial:
    random = np.random.default_rng(number)
    spaces = distributions(preset)
    params = {
        name: space.choices[random.integers(len(space.choices))]
        if isinstance(space, optuna.distributions.CategoricalDistribution)
        else float(random.uniform(space.low, space.high))  # type: ignore[attr-defined]
        for name, space in spaces.items()
    }
    curve = {epoch: float(random.uniform()) for epoch in range(1, EPOCHS + 1)}
    return create_trial(
        state=TrialState.COMPLETE,
        value=curve[EPOCHS],
        params=params,
        distributions=spaces,
        intermediate_values=curve,
        user_attrs={ORDINAL: number},
    )


def costs(preset: Preset, study: Study, count: int) -> dict[str, float]:
    """Median milliseconds of what a trial asks of a study of so many trials."""
    claims = Claims(study, preset, count + REPEATS)
    taken: dict[str, list[float]] = {"claim": [], "propose": [], "report": [], "end": []}

    def timed(what: str, act: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = act()
        taken[what].append(time.perf_counter() - started)
        return result

    for repeat in range(REPEATS):
        trial = timed("claim", claims.next)
        assert not isinstance(trial, Rest)
        timed("propose", partial(suggest, trial, preset))
        timed("report", partial(_report, trial))
        timed("end", partial(study.tell, trial, 0.5 + repeat / 100))
    return {what: 1000 * median(seconds) for what, seconds in taken.items()}


def asking(preset: Preset, count: int) -> float:
    """Median milliseconds of processor time that a proposal takes, in memory."""
    study = optuna.create_study(direction="maximize")
    study.add_trials([_completed(number, preset) for number in range(count)])
    taken = []
    for place in range(count, count + REPEATS):
        queued = create_trial(state=TrialState.RUNNING, user_attrs={ORDINAL: place})
        study.sampler = make_sampler(preset, 0, place)
        started = time.process_time()
        trial = optuna.Trial(study, study._storage.create_new_trial(study._study_id, queued))
        suggest(trial, preset)
        taken.append(time.process_time() - started)
        study.tell(trial, 0.5)
    return 1000 * median(taken)


def _report(trial: optuna.Trial) -> None:
    with transaction(trial.study):
        trial.report(0.5, 1)
        trial.should_prune()


@app.command()
def main(
    storage: Annotated[str, typer.Option(envvar="STORAGE", help="A database for the studies.")],
    workers: Annotated[str, typer.Option(help="Numbers of workers, with commas.")] = "1,4,16",
    grow: Annotated[str, typer.Option(help="Sizes of a study, with commas.")] = "100,1000",
    ask: Annotated[str, typer.Option(help="Sizes of a study in memory.")] = "",
    trials: Annotated[int, typer.Option(help="Trials of each; 0: three a worker.")] = 0,
    sampler: Annotated[str, typer.Option(help="The workers' sampler.")] = "tpe",
    samplers: Annotated[str, typer.Option(help="Samplers to time.")] = "tpe,random,qmc",
    pruner: Annotated[str, typer.Option(help="The workers' pruner.")] = "none",
    lag: Annotated[int, typer.Option(help="The workers' lag; 0: none.")] = 0,
) -> None:
    """Print trials a second by workers, and what a trial costs by the study's size."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        Path("studies").mkdir()
        _write(sampler, pruner, lag)
        print(shown(storage))
        if workers:
            print("CPU s, server s and commits are of one trial; ms are medians, 95 % quantiles")
            columns = ("workers", "trials/s", "by sleep", "in epochs", "CPU s", "server s")
            _print(*columns, "commits", "report ms", "between ms", "load")
        for count in _numbers(workers):
            _print(*throughput(storage, count, trials or max(12, 3 * count)))
        for count in _numbers(ask):
            for each in samplers.split(","):
                ms = asking(_write(each, "none", 0), count)
                _print(f"{count:,}", each, f"{ms:,.0f}", "ms of the processor to sample")
        _print("trials", "sampler", "claim ms", "propose", "report", "end")
        for count in _numbers(grow):
            study = filled(storage, _write("tpe", "successive_halving", 0), count)
            for number, each in enumerate(samplers.split(",")):
                preset = _write(each, "successive_halving", 0)
                found = costs(preset, study, count + number * REPEATS)
                _print(f"{count:,}", each, *(f"{ms:,.0f}" for ms in found.values()))


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",") if number]


def _write(sampler: str, pruner: str, lag: int) -> Preset:
    """Write the preset `replay`, and read it."""
    text = f'{PRESET}\n[sampler]\nname = "{sampler}"\n[pruner]\nname = "{pruner}"\n'
    Path("studies/replay.toml").write_text(text + (f"[workers]\nlag = {lag}\n" if lag else ""))
    return load_preset("replay")


def _print(*cells: str) -> None:
    """A row of a table, as soon as it is known."""
    print(" ".join(f"{cell:>11}" for cell in cells), flush=True)


if __name__ == "__main__":
    run(app)
