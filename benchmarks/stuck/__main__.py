"""python -m benchmarks.stuck [train | overhead]: how reliable the detector of stuck runs is.

Without a command it prints the tables of the stored results. `train` trains the runs that are not
there yet, each to its end; `overhead` measures what watching costs a healthy run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks.stuck.sampling import paper, sampled
from fmnist_model.utils.cli import PATHS, new_app, run
from fmnist_model.utils.native_log import native_log_hidden

STORED = Path("benchmarks/stuck/runs.jsonl.gz")
RESULTS = Path("benchmarks/results/stuck.jsonl")

app = new_app("Measure how reliable the detector of stuck runs is.")


@app.callback(invoke_without_command=True, no_args_is_help=False)
def table(
    context: typer.Context,
    results: Annotated[Path, typer.Option(help="The stored records, compressed or not.")] = STORED,
) -> None:
    """Measure how reliable the detector of stuck runs is; without a command, print the stored
    results."""
    if context.invoked_subcommand is None:
        with native_log_hidden():
            from benchmarks.stuck.judging import load
            from benchmarks.stuck.table import print_tables

        print_tables(Console(width=160), load(results))


@app.command()
def train(
    runs: Annotated[int, typer.Option(help="How many random configurations.")] = 600,
    seeds: Annotated[int, typer.Option(help="Seeds of each of the paper's arms.")] = 5,
    results: Annotated[Path, typer.Option(help="The file of results.")] = RESULTS,
) -> None:
    """Train the runs that are not there yet; can be stopped and started again at any time."""
    from fmnist_model.dataset.fashion_mnist import load_train

    images = load_train(None, print, PATHS.data)
    with native_log_hidden():
        from benchmarks.stuck.training import train_all
    wanted = [*sampled(runs), *paper(seeds)]
    with Progress(console=Console()) as progress:
        task = progress.add_task("runs", total=len(wanted))
        train_all(wanted, images, results, lambda done: progress.update(task, completed=done))


@app.command()
def overhead(rounds: Annotated[int, typer.Option(min=2)] = 100) -> None:
    """Measure what watching costs a healthy run, in one process."""
    from fmnist_model.dataset.fashion_mnist import load_train, split

    images, _ = split(load_train(None, print, PATHS.data))
    with native_log_hidden():
        from benchmarks.stuck.overhead import overhead as measured
    with Progress(console=Console()) as progress:
        task = progress.add_task("rounds", total=rounds)
        found = measured(images, rounds, lambda: progress.advance(task))
    low, high = found["quartiles"]
    print(
        f"watched / unwatched, {found['rounds']} rounds, {found['precision']}: median "
        f"{found['ratio']:.4f} (quartiles {low:.4f} to {high:.4f}); the look at the end takes "
        f"{found['signs']:.4f} of a run of ten epochs"
    )


if __name__ == "__main__":
    run(app)
