"""How many trials a second a population trains: python -m benchmarks.population

For 1, 2, 4 ... 64 slots: images/s with all slots at work, for both ways of convolving, and the
finished trials/s of a search with the paper's preset (stuck and pruned trials included), beside
the same program with one slot, and beside a program that is compiled anew for each trial. The
limits are measured, too: the device's matrix products in bfloat16, and its copies. Compilation is
left out but where it is named. Prints a table and writes benchmarks/results/population.json.

On a CPU no gain is to be expected; --limit 2000 --trials 6 --slots 1,2,4 shows the table's shape.
"""

from __future__ import annotations

import io
import json
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from fmnist_model import backend
from fmnist_model.command_line import new_app, run
from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.data import Images, load_train, split
from fmnist_model.files import write_whole
from fmnist_model.versions import versions
from search.order import Order
from search.preset import Data, Preset, load_preset
from search.progress import Progress
from search.runner import run_search
from search.trials import tally

RESULTS = Path("benchmarks/results/population.json")
CONVOLUTIONS = ("matrix", "grouped")
FRESH = 3
"""Trials of which each has its program compiled anew."""

app = new_app("Measure how many trials a second a population trains.")


class Bench:
    """Populations of different sizes on the same images, and searches with them."""

    def __init__(self, preset: Preset, images: tuple[Images, Images]) -> None:
        self.preset, self.images = preset, images
        self.model, self.train = ModelConfig(**preset.model), TrainConfig(**preset.train)
        searched = preset.space.activation
        self.activations = [self.model.activation] if searched is None else searched.values()

    def population(self, slots: int, convolution: str) -> Any:
        """One with so many slots; it is compiled when it is first used."""
        from fmnist_model.population import Population

        activations = list(self.activations)
        options: Any = {"activations": activations, "convolution": convolution}
        return Population(self.model, self.train, *self.images, slots, **options)

    def search(self, population: Any, trials: int) -> dict[str, Any]:
        """A search with this population, on a database of its own: how long, and how it ended."""
        started = 0.0

        def load(_order: Order, study: Any, _progress: Progress) -> Any:
            nonlocal started
            study.set_user_attr("data_sha256", self.images[0].sha256)
            started = time.perf_counter()
            return population

        with tempfile.TemporaryDirectory() as folder:
            order = Order(self.preset, "bench", f"sqlite:///{folder}/studies.db", trials)
            study = run_search(order, Progress(Console(file=io.StringIO())), load=load)
            seconds = time.perf_counter() - started
            counts = tally(study.get_trials(deepcopy=False))
        ended = {name: getattr(counts, name) for name in ("completed", "pruned", "stuck")}
        return {"seconds": seconds, "trials_per_second": trials / seconds, **ended}

    def fresh(self) -> float:
        """Trials/s where each has its program compiled anew, as most tools do."""
        import jax

        started = time.perf_counter()
        for seed in range(FRESH):
            jax.clear_caches()
            population = self.population(1, "matrix")
            population.run(self.model, self.train.model_copy(update={"seed": seed}))
        return FRESH / (time.perf_counter() - started)


def flops(network: Any) -> int:
    """Of one image, forward and backward; the first layer hands nothing back."""
    total = 0
    for layer in network.layers:
        if getattr(layer, "kernel", None) is not None:
            places = layer.output.shape[1] * layer.output.shape[2] if "conv" in layer.name else 1
            size = 1
            for length in layer.kernel.shape:
                size *= int(length)
            total += 2 * size * places * (3 if total else 2)
    return total


def limits() -> dict[str, float]:
    """The device's bfloat16 matrix products in FLOP/s, and its copies in bytes/s."""
    import jax
    import jax.numpy as jnp

    small = jax.default_backend() == "cpu"
    side, length = (1024, 2**24) if small else (8192, 2**29)
    square, line = jnp.ones((side, side), jnp.bfloat16), jnp.ones(length, jnp.bfloat16)
    product, copy = jax.jit(jnp.matmul), jax.jit(lambda x: x + 1)
    return {
        "matrix_flops_per_second": 2 * side**3 / _seconds(lambda: product(square, square)),
        "copied_bytes_per_second": 4 * length / _seconds(lambda: copy(line)),
    }


def _seconds(call: Any, rounds: int = 10) -> float:
    call().block_until_ready()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        call().block_until_ready()
        times.append(time.perf_counter() - started)
    return min(times)


def table(rows: list[dict[str, Any]], limit: float, image: int) -> Table:
    """A row for each number of slots."""
    drawn = Table(box=SIMPLE_HEAD)
    for column in (
        "slots",
        "images/s, matrix",
        "images/s, grouped",
        "of the matrix peak",
        "trials/s",
        "against one slot",
        "ended",
    ):
        drawn.add_column(column, justify="right")
    for row in rows:
        fastest = max(row[name] for name in CONVOLUTIONS)
        found = row["search"]
        drawn.add_row(
            str(row["slots"]),
            f"{row['matrix']:,.0f}",
            f"{row['grouped']:,.0f}",
            f"{fastest * image / limit:.1%}",
            f"{found['trials_per_second']:.2f}",
            f"{found['trials_per_second'] / rows[0]['search']['trials_per_second']:.2f}",
            f"{found['completed']} completed, {found['pruned']} pruned, {found['stuck']} stuck",
        )
    return drawn


@app.command()
def main(
    slots: Annotated[str, typer.Option(help="Numbers of slots.")] = "1,2,4,8,16,32,64",
    trials: Annotated[int, typer.Option(min=1, help="Of each search.")] = 50,
    limit: Annotated[int | None, typer.Option(help="So many training images.")] = None,
    data: Annotated[Path | None, typer.Option(help="Directory of the data.")] = None,
) -> None:
    """Measure how many trials a second a population trains."""
    backend.use_jax()
    console = Console()
    preset = load_preset("paper").model_copy(update={"data": Data(limit=limit)})
    bench = Bench(preset, split(load_train(data, console.print), limit))
    measured = limits()
    peak = measured["matrix_flops_per_second"]
    rows: list[dict[str, Any]] = []
    device, image = "", 0
    for count in map(int, slots.split(",")):
        row: dict[str, Any] = {"slots": count}
        for convolution in CONVOLUTIONS:
            population = bench.population(count, convolution)
            row[convolution] = population.measure()
            if row[convolution] == max(row.get(name, 0.0) for name in CONVOLUTIONS):
                best = population
        bench.search(best, min(trials, 4))  # what is compiled at the first look
        row["search"] = bench.search(best, trials)
        rows.append(row)
        device, image = best.device, flops(best.network)
        console.print(f"{count} slots: {row['search']['seconds']:.1f} s for {trials} trials")
    fresh = bench.fresh()
    console.print(
        f"{device}, {best.precision}: {len(bench.images[0]):,} images, {trials} trials each; "
        f"matrix products {peak / 1e12:.2f} TFLOP/s in bfloat16, "
        f"copies {measured['copied_bytes_per_second'] / 1e9:.1f} GB/s, "
        f"{image / 1e6:.1f} MFLOP an image"
    )
    console.print(table(rows, peak, image))
    console.print(
        f"compiled anew for each trial, none of them stopped early: {fresh:.3f} trials/s (n = "
        f"{FRESH})"
    )
    record = {"device": device, "versions": versions(), **measured, "rows": rows, "fresh": fresh}
    write_whole(RESULTS, json.dumps(record, indent=2))
    console.print(f"written: {RESULTS}")


if __name__ == "__main__":
    run(app)
