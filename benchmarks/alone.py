"""The cost of claims, heartbeats and a database for a single worker: python -m benchmarks.alone

The same trials of a preset are trained by the same engine in two ways: as `make search WORKERS=1`
runs them (claims, heartbeats, a database on disk), and by Optuna alone in memory. The two take
turns. Prints the ratio of their times as median and range over the rounds, and the ratio of the
epochs that they trained, which has to be 1.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Annotated

import optuna
import typer

from benchmarks.lag import found, plain
from benchmarks.standins.replay import quiet
from fmnist_model.utils.cli import PATHS, new_app, run
from search.execution.job import SearchJob
from search.execution.runner import run_search
from search.presets.files import load_preset

app = new_app("Measure what claims, heartbeats and a database cost a single worker.")


@app.command()
def main(
    study: Annotated[str, typer.Option(help="The preset.")] = "smoke",
    trials: Annotated[int, typer.Option(help="Trials of a search.")] = 20,
    rounds: Annotated[int, typer.Option(help="Searches of each kind.")] = 5,
    data: Annotated[Path | None, typer.Option(help="The data.  [default: fetched]")] = None,
) -> None:
    """Print the time of our search divided by that of Optuna alone."""
    from fmnist_model.dataset.fashion_mnist import load_train, split
    from fmnist_model.tensorflow_engine.engine import TensorFlowEngine

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    preset = load_preset(study, PATHS.presets).model_copy(update={"search": None})
    engine = TensorFlowEngine(*split(load_train(data, print, PATHS.data), preset.data.limit))
    plain(preset, 0, trials, engine)  # compiles the programs
    ratios = []
    for seed in range(rounds):
        with tempfile.TemporaryDirectory() as directory:
            url = f"sqlite:///{directory}/studies.db"
            started = time.perf_counter()
            ours = run_search(
                SearchJob(preset, study, url, trials, seed), quiet(), load=lambda *_: engine
            )
            between = time.perf_counter()
            alone = plain(preset, seed, trials, engine)
            ended = time.perf_counter()
        ratios.append((between - started) / (ended - between))
        epochs = found(ours).epochs / found(alone).epochs
        print(f"round {seed}: {ratios[-1]:.3f} ({epochs:.2f} of the epochs)", flush=True)
    print(f"ours / Optuna alone: {median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    run(app)
