"""Training speed, compared with Keras's `fit` and PyTorch: python -m benchmarks.training

The paper's cnn and LeNet-5 (ReLU, dropout 0.25) are trained in batches of 1000 and 128. The
contestants, each in a process of its own, take turns, one epoch each; so does a matrix product,
whose best speed is the peak of the machine in that round. Ratios and shares are computed within one
round, so that a change in the machine's speed affects all alike. What is traced in a first epoch is
not counted. For this toolkit the training steps are counted, because validation is left out for
everyone. Rounds that were measured are kept; the same command continues from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib.util import find_spec
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks.tools.flops import training_flops
from benchmarks.tools.isolated import Isolated
from benchmarks.tools.record import RESULTS, load_rows, print_goal, save_rows, spread, table
from fmnist_model.config import Architecture, ModelConfig, TrainConfig
from fmnist_model.dataset.fashion_mnist import Images, load_train, split
from fmnist_model.utils.cli import PATHS, new_app, run

CELLS: tuple[tuple[Architecture, int], ...] = (
    ("cnn", 1000),
    ("cnn", 128),
    ("lenet5", 1000),
    ("lenet5", 128),
)
FIT, FIT_MIXED = "Keras fit, float32", "Keras fit, mixed_bfloat16"
OURS, OURS_BF16 = "ours, float32", "ours, bfloat16"
TORCH, TORCH_BF16 = "PyTorch, float32", "PyTorch, bfloat16"
PEAK, PEAK_BF16 = "peak, float32", "peak, bfloat16"
SIDE = 2048
"""The side of the square matrices whose product shows the machine's peak."""
PRODUCTS = 6

app = new_app("Measure training speed, compared with Keras's fit and PyTorch.")
Row = dict[str, Any]


def network(architecture: Architecture) -> ModelConfig:
    """The network that all contestants train."""
    return ModelConfig(architecture=architecture, activation="relu", dropout=0.25)


@cache
def images(limit: int) -> Images:
    """This many training images; the same for all contestants."""
    return split(load_train(data_home=PATHS.data), limit)[0]


def ours(precision: str, limit: int, architecture: Architecture, batch: int) -> float:
    """Images/s of one epoch on our engine, which keeps its program between epochs."""
    train = TrainConfig(batch_size=batch, epochs=1, precision=precision)
    return float(_engine(limit).run(network(architecture), train).images_per_second)


@cache
def _engine(limit: int) -> Any:
    from fmnist_model.tensorflow_engine.engine import TensorFlowEngine

    return TensorFlowEngine(images(limit))


def keras_fit(precision: str, limit: int, architecture: Architecture, batch: int) -> float:
    """Images/s of one epoch of `fit` on NumPy arrays, as every tutorial does it."""
    model, pixels, labels = _compiled(precision, limit, architecture)
    started = time.perf_counter()
    model.fit(pixels, labels, batch_size=batch, epochs=1, verbose=0)
    return limit / (time.perf_counter() - started)


@cache
def _compiled(precision: str, limit: int, architecture: Architecture) -> Any:
    import keras
    import numpy as np

    from fmnist_model.network.build import build_network

    model = build_network(network(architecture), precision)
    model.compile(
        keras.optimizers.SGD(0.2), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    pixels = images(limit).pixels[..., np.newaxis].astype(np.float32) / 255
    return model, pixels, images(limit).labels


def pytorch(precision: str, limit: int, architecture: Architecture, batch: int) -> float:
    """Images/s of one epoch of eager PyTorch, channels last, with all data in tensors from the
    start."""
    from benchmarks.peers.torch import epoch

    started = time.perf_counter()
    epoch(images(limit), network(architecture), precision, batch)
    return limit / (time.perf_counter() - started)


def peak(precision: str, *_: Any) -> float:
    """FLOP/s of the fastest of several products of two square matrices."""
    import tensorflow as tf

    matrix = tf.cast(tf.random.normal((SIDE, SIDE)), precision)
    seconds = []
    for _number in range(PRODUCTS):
        started = time.perf_counter()
        tf.reduce_sum(tf.matmul(matrix, matrix)).numpy()
        seconds.append(time.perf_counter() - started)
    return 2 * SIDE**3 / min(seconds)


def contestants() -> dict[str, tuple[Callable[..., float], str]]:
    """Each contestant's function and precision, PyTorch's where it is installed."""
    found: dict[str, tuple[Callable[..., float], str]] = {
        FIT: (keras_fit, "float32"),
        OURS: (ours, "float32"),
        PEAK: (peak, "float32"),
        FIT_MIXED: (keras_fit, "bfloat16"),
        OURS_BF16: (ours, "bfloat16"),
        PEAK_BF16: (peak, "bfloat16"),
    }
    if find_spec("torch") is not None:
        found |= {TORCH: (pytorch, "float32"), TORCH_BF16: (pytorch, "bfloat16")}
    return found


@contextmanager
def _processes(names: list[str]) -> Iterator[dict[str, Isolated]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(Isolated()) for name in names}


def measure(
    rows: list[Row], rounds: int, limit: int, keep: Callable[[list[Row]], None]
) -> Iterator[Row]:
    """Add rows until each network and batch has this many rounds; yield each new row."""
    left = [
        (architecture, batch, number)
        for number in range(rounds)
        for architecture, batch in CELLS
        if not any(
            (r["network"], r["batch"], r["round"]) == (architecture, batch, number) for r in rows
        )
    ]
    if not left:
        return
    them = contestants()
    with _processes(list(them)) as processes:
        warm: set[tuple[str, int]] = set()
        for architecture, batch, number in left:
            if (architecture, batch) not in warm:
                _turn(them, processes, limit, architecture, batch)
                warm.add((architecture, batch))
            speeds = _turn(them, processes, limit, architecture, batch)
            rows.append({"network": architecture, "batch": batch, "round": number, **speeds})
            keep(rows)
            yield rows[-1]


def _turn(
    them: dict[str, tuple[Callable[..., float], str]],
    processes: dict[str, Isolated],
    limit: int,
    architecture: Architecture,
    batch: int,
) -> dict[str, float]:
    return {
        name: processes[name].call(function, precision, limit, architecture, batch)
        for name, (function, precision) in them.items()
    }


def ratios(rows: list[Row], name: str, to: str) -> list[float]:
    """A contestant's speed over another's, round by round, where both took part."""
    return [row[name] / row[to] for row in rows if name in row and to in row]


def shares(rows: list[Row], name: str) -> list[float]:
    """The share of the machine's peak that a contestant's arithmetic uses, round by round."""
    limit = PEAK_BF16 if "bfloat16" in name else PEAK
    return [
        row[name] * training_flops(network(row["network"])) / row[limit]
        for row in rows
        if name in row
    ]


def show(console: Console, rows: list[Row]) -> None:
    """The table of each network and batch, then the goals."""
    names = (FIT, FIT_MIXED, TORCH, TORCH_BF16, OURS, OURS_BF16)
    for architecture, batch in CELLS:
        cell = _cell(rows, architecture, batch)
        title = f"{architecture}, batch {batch}, {len(cell)} rounds: median (quartiles)"
        made = table(title, "", "images/s", f"against {FIT}", "share of the peak")
        for name in names:
            speeds = [row[name] for row in cell if name in row]
            if speeds:
                against, share = ratios(cell, name, FIT), shares(cell, name)
                made.add_row(name, spread(speeds, ",.0f"), spread(against), spread(share))
        console.print(made)
    peaks = [[row[name] / 1e9 for row in rows] for name in (PEAK, PEAK_BF16)]
    console.print(
        f"peak, GFLOP/s: float32 {spread(peaks[0], '.0f')}, bfloat16 {spread(peaks[1], '.0f')}"
    )
    if not any(TORCH in row for row in rows):
        console.print("PyTorch is not installed: .venv/bin/pip install -e '.[bench]' adds it")
    _goals(console, _cell(rows, "cnn", 1000))


def _cell(rows: list[Row], architecture: str, batch: int) -> list[Row]:
    return [row for row in rows if (row["network"], row["batch"]) == (architecture, batch)]


def _goals(console: Console, cell: list[Row]) -> None:
    from statistics import median

    for text, wanted, values in (
        ("of 2.5 times fit in float32", 2.5, ratios(cell, OURS_BF16, FIT)),
        ("of 1.3 times fit in mixed_bfloat16", 1.3, ratios(cell, OURS_BF16, FIT_MIXED)),
        ("of 0.60 of the bfloat16 peak", 0.6, shares(cell, OURS_BF16)),
    ):
        found = median(values)
        print_goal(console, f"{text}, cnn at batch 1000", f"{found:.2f}", found >= wanted)


@app.command()
def main(
    rounds: Annotated[int, typer.Option(min=1)] = 7,
    limit: Annotated[int, typer.Option(min=1000, max=48_000, help="Training images.")] = 48_000,
) -> None:
    """Measure training speed, compared with Keras's fit and PyTorch."""
    console = Console(width=110)
    images(limit)  # fetched and decoded once, here
    path = RESULTS / f"training-{limit}.json"
    settings = {"images": limit}
    rows = load_rows(path, settings)
    with Progress(console=console) as progress:
        task = progress.add_task("rounds", total=rounds * len(CELLS), completed=len(rows))
        for _row in measure(rows, rounds, limit, lambda found: save_rows(path, settings, found)):
            progress.advance(task)
    show(console, rows)
    console.print(f"written: {path}")


if __name__ == "__main__":
    run(app)
