"""Training speed beside Keras's own `fit`: python -m benchmarks.training [--rounds 7]

The same network (the paper's cnn, ReLU, dropout 0.25), the same 48,000 images, batch 1000. The
contestants take turns, an epoch each, for so many rounds; each ratio is within one round, so that
a machine that drifts drifts for all. The first epoch of each, with its tracing, is not counted.
Prints a table and writes benchmarks/results/training.json.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from fmnist_model.command_line import new_app, run
from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.data import Images, load_train, split
from fmnist_model.files import write_whole
from fmnist_model.quiet import native_log_hidden
from fmnist_model.versions import versions

RESULTS = Path("benchmarks/results/training.json")
BASELINE = "Keras fit, float32"
MODEL = ModelConfig(activation="relu", dropout=0.25)
BATCH = 1000

app = new_app("Measure training speed beside Keras's fit.")
Epoch = Callable[[], None]


def ours(engine: Any, precision: str) -> Epoch:
    """One epoch on our engine, its program kept between epochs."""
    train = TrainConfig(batch_size=BATCH, epochs=1, precision=precision)
    return lambda: engine.run(MODEL, train)


def keras_fit(images: Images, precision: str) -> Epoch:
    """One epoch of `fit` on NumPy arrays, as every tutorial does it."""
    import keras

    from fmnist_model.network import build_network

    network = build_network(MODEL, precision)
    network.compile(
        keras.optimizers.SGD(0.2), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    pixels = images.pixels[..., np.newaxis].astype(np.float32) / 255
    return lambda: network.fit(pixels, images.labels, batch_size=BATCH, epochs=1, verbose=0)


def measure(contestants: dict[str, Epoch], images: int, rounds: int) -> dict[str, list[float]]:
    """Images/s of each contestant in each round, after one epoch each that is not counted."""
    speeds: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, epoch in contestants.items():
            started = time.perf_counter()
            epoch()
            if number:
                speeds[name].append(images / (time.perf_counter() - started))
    return speeds


def summary(speeds: dict[str, list[float]]) -> Table:
    """Median and range of the speeds, and of their ratios to the baseline within a round."""
    table = Table(
        title=f"images/s over {len(speeds[BASELINE])} rounds: median (min to max)", box=SIMPLE_HEAD
    )
    for column in ("contestant", "images/s", f"against {BASELINE}"):
        table.add_column(column)
    for name, values in speeds.items():
        ratios = np.divide(values, speeds[BASELINE])
        table.add_row(name, _spread(np.asarray(values), ",.0f"), _spread(ratios, ".2f"))
    return table


def _spread(values: Any, form: str) -> str:
    median, low, high = (format(f(values), form) for f in (np.median, np.min, np.max))
    return f"{median} ({low} to {high})"


@app.command()
def main(rounds: Annotated[int, typer.Option(min=1)] = 7) -> None:
    """Measure training speed beside Keras's fit."""
    console = Console()
    train, _ = split(load_train(None, console.print))
    with native_log_hidden():
        from fmnist_model.training import Engine

        engine = Engine(train)
    contestants = {
        BASELINE: keras_fit(train, "float32"),
        "Keras fit, mixed_bfloat16": keras_fit(train, "bfloat16"),
        "ours, float32": ours(engine, "float32"),
        "ours, bfloat16": ours(engine, "bfloat16"),
    }
    console.print(f"{engine.device}: {rounds + 1} rounds of {len(contestants)} epochs")
    speeds = measure(contestants, len(train), rounds)
    console.print(summary(speeds))
    record = {"device": engine.device, "versions": versions(), "images_per_second": speeds}
    write_whole(RESULTS, json.dumps(record, indent=2))
    console.print(f"written: {RESULTS}")


if __name__ == "__main__":
    run(app)
