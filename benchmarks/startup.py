"""How long commands take to start: python -m benchmarks.startup

Measures the commands that need no TensorFlow, several times each, in turns; and where the seconds
of `make search TRIALS=1` go when everything is already installed, downloaded and decoded. Studies
and results are in a directory of their own.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks.tools.record import RESULTS, load_rows, print_goal, save_rows, spread, table
from fmnist_model.utils.cli import new_app, run

ROOT = Path(__file__).parent.parent
GOAL_SECONDS = 1.0
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "search --help": ["-m", "search", "--help"],
    "fmnist_model --help": ["-m", "fmnist_model", "--help"],
    "studies --help": ["-m", "studies", "--help"],
    "search status": ["-m", "search", "status", "--study", "smoke"],
    "search export": ["-m", "search", "export", "--study", "smoke"],
}
SEARCH = "make search TRIALS=1"
PHASES = ("imports", "data", "TensorFlow", "first trial", "the end")

app = new_app("Measure how long commands take to start.")
Row = dict[str, Any]


@contextmanager
def project() -> Iterator[Path]:
    """An empty project directory with the presets and this checkout's data."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("studies", "data"):
            (folder / part).mkdir()
        for preset in (ROOT / "studies").glob("*.toml"):
            (folder / "studies" / preset.name).write_bytes(preset.read_bytes())
        for data in (ROOT / "data").iterdir():
            (folder / "data" / data.name).symlink_to(data)
        yield folder


def timed(folder: Path, arguments: list[str]) -> Row:
    """Wall and processor time of one command in a project directory."""
    started, before = time.perf_counter(), _processor()
    subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
    )
    return {"seconds": time.perf_counter() - started, "processor": _processor() - before}


def _processor() -> float:
    """Processor seconds of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def phases(folder: Path, preset: str) -> Row:
    """Wall time of each phase of a search for one trial, in a new process."""
    out = folder / "phases.json"
    whole = timed(folder, ["-m", "benchmarks.tools.startup_phases", preset, str(out)])
    taken = json.loads(out.read_text())
    end = whole["seconds"] - sum(taken.values())
    return {"command": SEARCH, **whole, **taken, "the end": end}


def measure(rows: list[Row], repeats: int, preset: str) -> Iterator[Row]:
    """Yield a row for each command and repeat that is not among `rows`."""
    with project() as folder:
        timed(folder, ["-m", "search", "run", "--study", "smoke", "--trials", "2"])
        for number in range(repeats):
            for name, arguments in COMMANDS.items():
                if not _has(rows, name, number):
                    yield {"command": name, "repeat": number, **timed(folder, arguments)}
            if not _has(rows, SEARCH, number):
                for database in (folder / "studies" / "results").glob("phases*"):
                    database.unlink()
                yield {"repeat": number, **phases(folder, preset)}


def _has(rows: list[Row], name: str, number: int) -> bool:
    return any(row["command"] == name and row["repeat"] == number for row in rows)


def show(console: Console, rows: list[Row]) -> None:
    """Each command, the phases of a search, and the goal."""
    made = table("seconds: median (quartiles)", "command", "n", "s", "of a processor")
    for name in (*COMMANDS, SEARCH):
        mine = [row for row in rows if row["command"] == name]
        taken, used = ([row[what] for row in mine] for what in ("seconds", "processor"))
        made.add_row(name, str(len(mine)), spread(taken), spread(used))
    console.print(made)
    searches = [row for row in rows if row["command"] == SEARCH]
    made = table(f"where the seconds of {SEARCH} go", "", "s")
    for phase in PHASES:
        made.add_row(phase, spread([row[phase] for row in searches]))
    console.print(made)
    slowest = max(
        (median([row["seconds"] for row in rows if row["command"] == name]), name)
        for name in list(COMMANDS)[1:]
    )
    print_goal(
        console,
        "of less than 1 s for --help, status and export",
        f"{slowest[0]:.2f} s for {slowest[1]}, the slowest",
        slowest[0] < GOAL_SECONDS,
    )


@app.command()
def main(
    repeats: Annotated[int, typer.Option(min=1, help="Of each command.")] = 10,
    preset: Annotated[str, typer.Option(help="The preset of the search.")] = "paper",
) -> None:
    """Measure how long commands take to start."""
    console = Console(width=110)
    path, settings = RESULTS / "startup.json", {"preset": preset}
    rows = load_rows(path, settings)
    with Progress(console=console) as progress:
        total = repeats * (len(COMMANDS) + 1)
        task = progress.add_task("commands", total=total, completed=len(rows))
        for row in measure(rows.copy(), repeats, preset):
            rows.append(row)
            save_rows(path, settings, rows)
            progress.advance(task)
    show(console, rows)
    console.print(f"written: {path}")


if __name__ == "__main__":
    run(app)
