"""Trials a second of the population engine: python -m benchmarks.population

For 1, 2, 4 ... 64 slots it measures the images/s with all slots at work, for both ways to convolve,
and the finished trials/s of searches with the paper preset, each with its own study seed (stuck and
pruned trials included). These are compared with the same program with one slot, and with a program
that is compiled anew for each trial. The limits of the device are measured, too: matrix products in
bfloat16, and copies. The time of compilation is left out, except where it is named. Each number of
slots has a process of its own. Every result is kept at once, and the same command continues from
there. When some number of slots does not fit into memory, no greater number is tried.

Needs JAX and what benchmarks/population.txt names, but no TensorFlow. On a CPU no gain is expected;
--limit 400 --trials 8 shows the shape of the table.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.tools import slot_parts as parts
from benchmarks.tools.flops import training_flops
from benchmarks.tools.isolated import Isolated
from benchmarks.tools.record import RESULTS, load_rows, save_rows, spread, table
from benchmarks.tools.slot_parts import Setting
from fmnist_model.config import ModelConfig
from fmnist_model.utils.cli import new_app, run
from fmnist_model.utils.errors import UserError

CONVOLUTIONS = ("matrix", "grouped")
FULL_IMAGES, FULL_TRIALS = 48_000, 50
TIMES, SECONDS = 10, 60
"""The goals: this many times the trials/s of one slot, and a whole search within these seconds."""
FAR_SLOWER = 4
"""A way to convolve that is this many times slower than the other is not tried with more slots."""
ENDINGS = ("completed", "pruned", "stuck", "diverged", "failed")

app = new_app("Measure how many trials a second the population engine trains.")
Row = dict[str, Any]


class Record:
    """The rows so far, and the function that is told of each new one."""

    def __init__(self, path: Path, settings: Row, say: Callable[[str], None]) -> None:
        self._path, self._settings, self._say = path, settings, say
        self.rows: list[Row] = load_rows(path, settings)

    def find(self, **wanted: Any) -> list[Row]:
        """The rows that have all of these entries."""
        return [row for row in self.rows if wanted.items() <= row.items()]

    def get(self, what: str, measure: Callable[[], Row], **which: Any) -> Row:
        """The stored row, or a new one, stored at once; if it failed, `error` says why."""
        found = self.find(what=what, **which)
        if found:
            return found[0]
        self._say(" ".join([what, *(f"{name} {value}" for name, value in which.items())]))
        try:
            measured = measure()
        except BrokenProcessPool:
            measured = {"error": "its process was killed; for want of memory, perhaps"}
        if "error" in measured:
            self._say(f"  {measured['error']}")
        row = {"what": what, **which, **measured}
        self.rows.append(row)
        save_rows(self._path, self._settings, self.rows)
        return row


def grow(record: Record, setting: Setting, counts: list[int], repeats: int) -> None:
    """Measure one number of slots after the other, until they do not fit."""
    for count in counts:
        with Isolated() as process:
            grouped = _speed(record, process, setting, count, "grouped")
        with Isolated() as process:
            matrix = _speed(record, process, setting, count, "matrix")
            if matrix >= grouped:
                going = matrix > 0 and _search(record, process, setting, count, "matrix", repeats)
        if grouped > matrix:
            with Isolated() as process:
                going = _search(record, process, setting, count, "grouped", repeats)
        if not going:
            return


def _speed(
    record: Record, process: Isolated, setting: Setting, slots: int, convolution: str
) -> float:
    """Images/s; 0 where the slots do not fit, or this way was hopeless with fewer slots."""
    for row in record.find(what="speed", convolution=convolution):
        if row["slots"] < slots and ("error" in row or _far_slower(record, row)):
            return 0.0
    which = {"slots": slots, "convolution": convolution}
    row = record.get("speed", partial(process.call, parts.speed, setting, **which), **which)
    return median(row["images_per_second"]) if "error" not in row else 0.0


def _far_slower(record: Record, row: Row) -> bool:
    """Is this way far slower than the other way with as many slots?"""
    return any(
        median(other["images_per_second"]) > FAR_SLOWER * median(row["images_per_second"])
        for other in record.find(what="speed", slots=row["slots"])
        if "error" not in other
    )


def _search(
    record: Record, process: Isolated, setting: Setting, slots: int, convolution: str, repeats: int
) -> bool:
    """Make the searches with this many slots; did all of them end without an error?"""
    for seed in range(repeats):
        measure = partial(process.call, parts.search, setting, slots, convolution, seed)
        row = record.get("search", measure, slots=slots, seed=seed)
        if "error" in row:
            return False
    return True


def show(console: Console, rows: list[Row], setting: Setting) -> None:
    """The limits, a line for each number of slots, and the goals."""
    found = {row["what"]: row for row in rows}
    limits, fresh = found["limits"], found.get("fresh", {})
    peak = max(limits["matrix_flops_per_second"])
    image = training_flops(ModelConfig(**parts.preset(setting).model))
    console.print(
        f"{limits['device']}, {limits['precision']}: {setting.images:,} images, {setting.trials} "
        f"trials a search; matrix products {peak / 1e12:.2f} TFLOP/s in bfloat16, copies "
        f"{max(limits['copied_bytes_per_second']) / 1e9:.1f} GB/s; {image / 1e6:.1f} MFLOP an image"
    )
    made = table(
        "median (quartiles), or all there are; trials/s of each search",
        "slots",
        "images/s, matrix",
        "images/s, grouped",
        "of the peak",
        "n",
        "trials/s",
        "against one slot",
        "host, ms a trial",
        "epochs",
    )
    searches = [row for row in rows if row["what"] == "search" and "error" not in row]
    one = {row["seed"]: row["trials_per_second"] for row in searches if row["slots"] == 1}
    for count in sorted({row["slots"] for row in rows if "slots" in row}):
        speeds = {
            row["convolution"]: row.get("images_per_second", [])
            for row in rows
            if row["what"] == "speed" and row["slots"] == count
        }
        fastest = max((median(speed) for speed in speeds.values() if speed), default=0.0)
        mine = [row for row in searches if row["slots"] == count]
        made.add_row(
            str(count),
            *(spread(speeds.get(way, []), ",.0f") for way in CONVOLUTIONS),
            f"{fastest * image / peak:.1%}",
            str(len(mine)),
            spread([row["trials_per_second"] for row in mine]),
            spread(_gains(mine, one)),
            spread([1000 * row["host_seconds"] / setting.trials for row in mine], ".0f"),
            spread([row["epochs"] for row in mine], ".0f"),
        )
    console.print(made)
    ended = {name: sum(row[name] for row in searches) for name in ENDINGS}
    console.print(
        f"all {len(searches)} searches: "
        + ", ".join(f"{number} {name}" for name, number in ended.items())
    )
    for row in rows:
        if "error" in row:
            which = f"{row.get('slots', '')} {row.get('convolution', '')}".strip()
            console.print(f"{row['what']} {which}: {row['error']}")
    _goals(console, searches, one, fresh, _unlike(limits, setting))


def _gains(rows: list[Row], one: dict[int, float]) -> list[float]:
    """Trials/s divided by those of one slot, for searches with the same seed."""
    return [row["trials_per_second"] / one[row["seed"]] for row in rows if row["seed"] in one]


def _unlike(limits: Row, setting: Setting) -> str:
    """Why the goals, which are set for a GPU, are not judged here; empty if they are."""
    if limits["device"].startswith("CPU"):
        return "not judged on a CPU"
    if (setting.images, setting.trials) != (FULL_IMAGES, FULL_TRIALS):
        return f"judged with {FULL_IMAGES:,} images and {FULL_TRIALS} trials only"
    return ""


def _goals(
    console: Console, searches: list[Row], one: dict[int, float], fresh: Row, unlike: str
) -> None:
    counts = {row["slots"] for row in searches}
    speeds = {
        count: median(row["trials_per_second"] for row in searches if row["slots"] == count)
        for count in counts
    }
    if not speeds or not one:
        return
    best = max(speeds, key=lambda count: speeds[count])
    mine = [row for row in searches if row["slots"] == best]
    gains, seconds = _gains(mine, one), [row["seconds"] for row in mine]

    def goal(text: str, found: str, reached: bool) -> None:
        verdict = unlike or ("reached" if reached else "MISSED")
        console.print(f"goal of {text}: {found} with {best} slots (n = {len(mine)}), {verdict}")

    text = f"{TIMES} times the trials/s of one at a time"
    goal(text, f"{spread(gains)} times those of one slot", median(gains) >= TIMES)
    if "compile_seconds" in fresh:
        compiling = fresh["compile_seconds"]
        apart = 1 / (1 / speeds[1] + median(compiling))
        console.print(
            f"one after the other, each compiled anew ({spread(compiling)} s, n = "
            f"{len(compiling)}): {apart:.3f} trials/s, computed; {best} slots have "
            f"{speeds[best] / apart:.1f} times as many"
        )
    text = f"a search of {FULL_TRIALS} trials in under {SECONDS} s after compilation"
    goal(text, f"{spread(seconds, '.1f')} s", median(seconds) < SECONDS)


@app.command()
def main(
    slots: Annotated[str, typer.Option(help="Numbers of slots, with commas.")] = "1,2,4,8,16,32,64",
    trials: Annotated[int, typer.Option(min=1, help="Trials of each search.")] = FULL_TRIALS,
    repeats: Annotated[int, typer.Option(min=1, help="Searches with each number of slots.")] = 3,
    limit: Annotated[
        int, typer.Option(min=50, max=FULL_IMAGES, help="Training images.")
    ] = FULL_IMAGES,
    data: Annotated[Path | None, typer.Option(help="Directory of the data.")] = None,
) -> None:
    """Measure how many trials a second the population engine trains."""
    console = Console(width=130)
    setting = Setting(limit, trials, data)
    with Isolated() as process:
        device = process.call(parts.device)
        name = re.sub(r"\W+", "-", f"population {device} {limit} {trials}").strip("-").lower()
        path = RESULTS / f"{name}.json"
        settings = {"device": device, "images": limit, "trials": trials}
        record = Record(path, settings, lambda line: console.print(line, highlight=False))
        limits = record.get("limits", partial(process.call, parts.limits))
        if "error" in limits:
            raise UserError(f"{device} cannot be measured: {limits['error']}")
    grow(record, setting, sorted(map(int, slots.split(","))), repeats)
    with Isolated() as process:
        record.get("fresh", partial(process.call, parts.fresh, setting))
    show(console, record.rows, setting)
    console.print(f"written: {path}")


if __name__ == "__main__":
    run(app)
