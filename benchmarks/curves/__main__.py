"""python -m benchmarks.curves: trains the table of learning curves on which searches are replayed.

    python -m benchmarks.curves --preset paper --runs 160
    python -m benchmarks.curves --preset wide --runs 160
    python -m benchmarks.curves --preset wide --runs 160 --shorter

With --shorter the same configurations are trained once more, as whole runs of fewer epochs each. It
continues where it was stopped, or from the compressed table that is kept in git. --pack writes that
compressed table.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks.curves.table import SCALES, STORED, pack, read, runs, shorter
from benchmarks.tools.record import RESULTS, whole_lines
from fmnist_model.utils.atomic_write import write_atomically
from fmnist_model.utils.cli import PATHS, new_app, run
from fmnist_model.utils.native_log import native_log_hidden

app = new_app("Train the table of learning curves.")


@app.command()
def main(
    preset: Annotated[Literal["paper", "wide"], typer.Option()] = "paper",
    count: Annotated[int, typer.Option("--runs", min=1, help="Random configurations.")] = 160,
    results: Annotated[Path | None, typer.Option(help="Where runs are kept.")] = None,
    packed: Annotated[bool, typer.Option("--pack", help="Only pack what is there.")] = False,
    short: Annotated[
        bool, typer.Option("--shorter", help="Whole runs of fewer epochs, in a table of their own.")
    ] = False,
) -> None:
    """Train the runs that are not there yet."""
    name = f"{preset}-shorter" if short else preset
    path = results or RESULTS / f"curves-{name}.jsonl"
    stored = STORED / f"{name}.jsonl.gz"
    if stored.is_file() and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, "".join(json.dumps(record) + "\n" for record in read(stored)[1]))
    if not packed:
        from fmnist_model.dataset.fashion_mnist import load_train

        images = load_train(None, print, PATHS.data)
        with native_log_hidden():
            from benchmarks.curves.training import train_all
        wanted = shorter(runs(preset, count)) if short else runs(preset, count)
        with Progress(console=Console()) as progress:
            task = progress.add_task(preset, total=len(wanted))
            train_all(
                wanted,
                images,
                SCALES[preset],
                path,
                lambda done: progress.update(task, completed=done),
            )
        return
    lines = whole_lines(path)
    stored.write_bytes(pack(lines, preset))
    print(f"{stored}: {len(lines)} runs, {stored.stat().st_size:,} bytes")


if __name__ == "__main__":
    run(app)
