"""How many workers and trials a study can carry: python -m benchmarks.scale --storage sqlite

Training is replaced by sleep and the curves of stored runs (standins/stored.py: eight epochs of
half a second, no pruner unless one is named); everything else is what a worker does. A simulated
worker is a thread with a storage and connections of its own, up to 32 in a process. All begin at
once and have --budget seconds, of which the last two thirds are measured.

The first table has a row for each number of workers: the trials a second, and those that sleeping
alone would allow; the share of the workers' time that is training; what a trial takes of the
processors, of the database server, and of its worker's time in addition to training; and how long a
report takes. Then it says from how many workers on more of them would only wait. The second table
has the milliseconds of each step in studies of several sizes, with one worker, and how much of a
proposal is the sampler's.

`--storage` is `sqlite` or `postgresql`, for a database of the benchmark's own, or a URL; give it
twice to measure both. Each row is kept in --results as soon as it is known, and is not measured
again while it is there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import numpy as np
import optuna
import psutil
import typer

from benchmarks.standins.grown import asking, costs, grown
from benchmarks.standins.stored import PRESET
from benchmarks.tools import postgres
from benchmarks.tools.record import RESULTS, append_line, machine, whole_lines
from fmnist_model.utils.cli import PATHS, new_app, run
from fmnist_model.utils.errors import UserError
from search.presets.files import load_preset
from search.presets.preset import Preset
from search.storage.connection import open_storage
from search.storage.url import without_password
from search.study.study import open_study

SECONDS = 0.5
THREADS = 32

Row = dict[str, Any]
Columns = dict[str, Callable[[Row], str]]

app = new_app("Measure how many workers and trials a study can carry.")

CREWS: Columns = {
    "workers": lambda row: str(row["workers"]),
    "trials/s": lambda row: f"{row['trials_per_second']:.2f}",
    "by sleep": lambda row: f"{row['workers'] / row['trial_seconds']:.2f}",
    "training": lambda row: f"{row['training']:.0%}",
    "beside ms": lambda row: f"{row['beside_ms']:,.0f}",
    "CPU ms": lambda row: f"{row['processor_ms']:,.0f}",
    "server ms": lambda row: f"{row['server_ms']:,.0f}",
    "commits": lambda row: f"{row['commits']:.1f}",
    "report ms": lambda row: " ".join(f"{ms:,.0f}" for ms in row["report_ms"]),
    "CPUs busy": lambda row: f"{row['busy']:.0%}",
    "gave up": lambda row: str(len(row["gave_up"])),
}
SIZES: Columns = {
    "trials": lambda row: f"{row['size']:,}",
    "sampler": lambda row: str(row["sampler"]),
    "claim ms": lambda row: f"{row['claim']:,.0f}",
    "propose ms": lambda row: f"{row['propose']:,.0f}",
    "report ms": lambda row: f"{row['report']:,.0f}",
    "end ms": lambda row: f"{row['end']:,.0f}",
}
ASKED: Columns = {
    "trials": SIZES["trials"],
    "sampler": SIZES["sampler"],
    "CPU ms": lambda row: f"{row['ask_ms']:,.1f}",
}


def throughput(url: str, workers: int, budget: float) -> Row:
    """What workers that begin at once get done in the last two thirds of the budget."""
    name = f"scale-{uuid.uuid4().hex[:8]}"
    open_study(open_storage(url), name, load_preset("replay", PATHS.presets), seed=0)
    processes = [_started(url, name, share) for share in shares(workers)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", "a process did not start"
    begin, end = time.monotonic() + budget / 3, time.monotonic() + budget
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(f"{begin} {end}\n")
        process.stdin.flush()
    time.sleep(max(0.0, begin - time.monotonic()))
    server = _server_seconds()
    psutil.cpu_percent()
    time.sleep(max(0.0, end - time.monotonic()))
    busy, server = psutil.cpu_percent() / 100, _server_seconds() - server
    found = [json.loads(process.communicate()[0]) for process in processes]
    row = _figures(found, workers, end - begin)
    return row | {"busy": busy, "server_ms": 1000 * server / row["trials"]}


def shares(workers: int) -> list[int]:
    """Numbers of workers in each process: one process for each core, or more processes where one
    would have more than THREADS workers."""
    count = min(workers, max(len(os.sched_getaffinity(0)), -(-workers // THREADS)))
    return [workers // count + (place < workers % count) for place in range(count)]


def _started(url: str, name: str, workers: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.standins.simulated", name, str(workers), str(SECONDS)],
        env={**os.environ, "STORAGE": url, "PYTHONPATH": str(Path(__file__).parent.parent)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _figures(found: list[Row], workers: int, window: float) -> Row:
    """The sum over all processes. Trials are counted by epochs, as few end within the window."""
    reports, epochs = (
        [one for each in found for one in each[key]] for key in ("reports", "epochs")
    )
    if not reports:
        raise UserError(f"{workers} workers reported nothing in {window:.0f} s: give more --budget")
    epochs_a_trial = mean(epochs)
    trials = len(reports) / epochs_a_trial
    trained = len(reports) * SECONDS
    per_trial = {key: sum(each[key] for each in found) / trials for key in ("processor", "commits")}
    return {
        "workers": workers,
        "trials_per_second": trials / window,
        "trial_seconds": epochs_a_trial * SECONDS,
        "training": trained / (workers * window),
        "beside_ms": 1000 * (workers * window - trained) / trials,
        "processor_ms": 1000 * per_trial["processor"],
        "commits": per_trial["commits"],
        "report_ms": [1000 * float(q) for q in np.quantile(reports, [0.5, 0.95])],
        "gave_up": [said for each in found for said in each["gave_up"]],
        "trials": trials,
    }


def _server_seconds() -> float:
    """Processor time of PostgreSQL on this machine, with that of its processes that have ended."""
    processes = psutil.process_iter(["name", "cpu_times"])
    return sum(sum(p.info["cpu_times"][:4]) for p in processes if p.info["name"] == "postgres")


def saturation(rows: list[Row]) -> str:
    """The number of workers from which on more would only wait: where they train for less than
    half of the time that those of the first row, the fewest, do."""
    first, last = rows[0], rows[-1]
    if last["training"] >= first["training"] / 2:
        return (
            f"not saturated by {last['workers']} workers of {last['trial_seconds']:.1f} s a trial"
        )
    most = max(rows, key=lambda row: row["trials_per_second"])
    enough = most["workers"] * most["training"] / first["training"]
    return (
        f"saturated at {most['trials_per_second']:.2f} trials/s: what {enough:.0f} workers of "
        f"{most['trial_seconds']:.1f} s a trial would do that never waited for each other"
    )


class Kept:
    """Rows in a file; rows that are there are not measured again."""

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        self._rows = [json.loads(line) for line in whole_lines(self._path)]

    def row(self, key: Row, measure: Callable[[], Row]) -> Row:
        """The row of this key, kept or measured now."""
        for row in self._rows:
            if key.items() <= row.items():
                return dict(row)
        row = key | measure() | {"machine": machine()}
        append_line(self._path, row)
        return row


class Measurement:
    """Measures one storage and prints one row after the other."""

    def __init__(self, kept: Kept, database: str, url: str) -> None:
        self._kept, self._key, self._url = kept, {"database": database}, url

    def crews(self, numbers: list[int], settings: Row) -> None:
        """A row for each number of workers, and where more of them would only wait."""
        rows: list[Row] = []
        _print(*CREWS)
        for workers in numbers:
            _write(settings["sampler"], settings["pruner"], settings["lag"])
            key = self._key | settings | {"workers": workers}
            measure = partial(throughput, self._url, workers, settings["budget"])
            rows.append(self._kept.row(key, measure))
            _print(*(show(rows[-1]) for show in CREWS.values()))
        if len(rows) > 1:
            print(saturation(rows), flush=True)

    def sizes(self, numbers: list[int], samplers: list[str]) -> None:
        """A row for each size of a study and each sampler."""
        _print(*SIZES)
        for size in numbers:
            for sampler in samplers:
                row = self._kept.row(
                    self._key | {"size": size, "sampler": sampler},
                    partial(self._costs, size, sampler),
                )
                _print(*(show(row) for show in SIZES.values()))

    def _costs(self, size: int, sampler: str) -> Row:
        preset = _write(sampler, "successive_halving", 0)
        return dict(costs(preset, grown(self._url, preset, size)))


def _asked(kept: Kept, sizes: list[int], samplers: list[str]) -> None:
    _print(*ASKED)
    for size in sizes:
        for sampler in samplers:
            key = {"database": "memory", "size": size, "sampler": sampler}
            row = kept.row(key, partial(asking, _write(sampler, "none", 0), size))
            _print(*(show(row) for show in ASKED.values()))


@contextmanager
def _database(storage: str) -> Iterator[str]:
    """The URL of the storage: of a new database of the benchmark's own, or as it was given."""
    if storage == "sqlite":
        yield f"sqlite:///{Path.cwd()}/studies.db"
    elif storage == "postgresql":
        binaries = postgres.programs()
        if binaries is None:
            raise UserError("no PostgreSQL server is installed (Debian's package is postgresql)")
        with postgres.server(binaries) as socket:
            yield postgres.database(socket)
    else:
        yield storage


@app.command()
def main(
    storage: Annotated[list[str], typer.Option(help="sqlite, postgresql, or a URL.")],
    workers: Annotated[str, typer.Option(help="Numbers of workers.")] = "1,4,16,64,256",
    grow: Annotated[str, typer.Option(help="Sizes of the study, in trials.")] = "100,1000,10000",
    ask: Annotated[str, typer.Option(help="The same, in memory.")] = "100,1000,10000",
    budget: Annotated[float, typer.Option(help="Seconds for each number of workers.")] = 40,
    sampler: Annotated[str, typer.Option(help="The workers' sampler.")] = "tpe",
    samplers: Annotated[str, typer.Option(help="Samplers to time.")] = "tpe,random,qmc",
    pruner: Annotated[str, typer.Option(help="The workers' pruner.")] = "none",
    lag: Annotated[int, typer.Option(help="The workers' lag; 0: none.")] = 0,
    results: Annotated[Path, typer.Option(help="Keep the rows here.")] = RESULTS / "scale.jsonl",
) -> None:
    """Print trials a second by workers, and what a trial costs by the study's size."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kept = Kept(results)
    settings = {"sampler": sampler, "pruner": pruner, "lag": lag, "budget": budget}
    with tempfile.TemporaryDirectory() as directory, chdir(directory):
        Path("studies").mkdir()
        for each in storage:
            with _database(each) as url:
                database = without_password(url) if url == each else each
                print(f"\n{database}; commits and ms are of one trial, reports' as median and 95 %")
                measurement = Measurement(kept, database, url)
                measurement.crews(_numbers(workers), settings)
                measurement.sizes(_numbers(grow), samplers.split(","))
        print("\na proposal alone, in memory")
        _asked(kept, _numbers(ask), samplers.split(","))


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",") if number]


def _write(sampler: str, pruner: str, lag: int) -> Preset:
    """Write the preset `replay`, and read it."""
    text = f'{PRESET}\n[sampler]\nname = "{sampler}"\n[pruner]\nname = "{pruner}"\n'
    Path("studies/replay.toml").write_text(text + (f"[workers]\nlag = {lag}\n" if lag else ""))
    return load_preset("replay", PATHS.presets)


def _print(*cells: str) -> None:
    """Print a row of a table as soon as it is known."""
    print(" ".join(f"{cell:>11}" for cell in cells), flush=True)


if __name__ == "__main__":
    run(app)
