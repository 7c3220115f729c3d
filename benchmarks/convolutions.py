"""Ways to convolve for many trials at once on JAX: python -m benchmarks.convolutions

The two convolutions of the paper's network are computed for several slots at once, forward and
backward separately, in bfloat16 from float32 weights: as grouped convolutions, which is what
`jax.vmap` makes of ordinary ones, and as matrix products. The first layer is also computed as if
all slots saw the same images (in a search they do not): as one convolution with slots x filters, or
as one matrix product. Then whole training steps are measured, with different images for each slot
and with shared ones, to see what sharing would save. All ways take turns; a round is one step of a
batch in all slots. Writes benchmarks/results/convolutions.json.

On a CPU a small batch is enough to see the shape of the table: --slots 1,4 --batch 64
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from benchmarks.tools.record import RESULTS, save_rows, spread, table
from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.dataset.fashion_mnist import load_train, split
from fmnist_model.jax_engine import backend
from fmnist_model.utils.cli import PATHS, new_app, run

if TYPE_CHECKING:
    import jax

    from fmnist_model.jax_engine.state import DeviceControls, DeviceWeights
    from fmnist_model.jax_engine.train_step import Carry

LAYERS = {"conv1": (28, 1, 32), "conv2": (13, 32, 64)}
"""Side and channels of the inputs, and number of filters. The images get no gradient."""
WAYS = ("grouped", "matrix", "shared, grouped", "shared, matrix")
STEPS = 4
"""Training steps in a round, in one program."""

app = new_app("Measure ways to convolve for many slots at once.")
Row = dict[str, Any]
Call = Callable[[], Any]
Forward = Callable[["jax.Array", "jax.Array"], "jax.Array"]


def convolutions(layer: str, slots: int, batch: int, precision: str) -> dict[tuple[str, str], Call]:
    """The functions to time for a layer: for each way to convolve, "forward" and "backward"."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    side, channels, filters = LAYERS[layer]
    draw = np.random.default_rng(0).standard_normal
    kernels = jnp.asarray(draw((slots, 3, 3, channels, filters)), jnp.float32)
    calls: dict[tuple[str, str], Call] = {}
    for way in WAYS:
        shared = way.startswith("shared")
        if shared and layer != "conv1":
            continue
        shape = (batch, side, side, channels) if shared else (slots, batch, side, side, channels)
        images = jnp.asarray(draw(shape), jnp.dtype(precision))
        forward = _forward(way)
        outputs = jax.eval_shape(forward, images, kernels)
        gradient = jnp.asarray(draw(outputs.shape), outputs.dtype)
        wanted = (1,) if layer == "conv1" else (0, 1)
        calls[way, "forward"] = _ready(forward, images, kernels)
        calls[way, "backward"] = _ready(_backward(forward, wanted), images, kernels, gradient)
    return calls


def _forward(way: str) -> Forward:
    """From images, and float32 kernels with a leading axis of slots, to the outputs of the
    layer."""
    import jax
    from jax import lax

    from fmnist_model.jax_engine.convolution import matrix_convolution

    def ordinary(images: jax.Array, kernel: jax.Array) -> jax.Array:
        return lax.conv_general_dilated(
            images, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    def forward(images: jax.Array, kernels: jax.Array) -> jax.Array:
        one = ordinary if "grouped" in way else matrix_convolution
        # Where images are not mapped over, it is one convolution, or product, with all filters.
        axes = (None, 0) if way.startswith("shared") else (0, 0)
        return jax.vmap(one, axes)(images, kernels.astype(images.dtype))

    return forward


def _backward(forward: Forward, wanted: tuple[int, ...]) -> Callable[..., Any]:
    import jax

    def backward(images: jax.Array, kernels: jax.Array, gradient: jax.Array) -> list[jax.Array]:
        gradients = jax.vjp(forward, images, kernels)[1](gradient)
        return [gradients[number] for number in wanted]

    return backward


def _ready(function: Callable[..., Any], *arguments: Any) -> Call:
    import jax

    compiled = jax.jit(function).lower(*arguments).compile()
    return lambda: compiled(*arguments)


def steps(slots: int, batch: int, precision: str) -> dict[tuple[str, str], Call]:
    """Several training steps of the paper's network, with different images for each slot, and
    shared."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    from jax import lax

    from fmnist_model.jax_engine.state import Controls
    from fmnist_model.jax_engine.stateless_network import StatelessNetwork
    from fmnist_model.jax_engine.train_step import train_step
    from fmnist_model.jax_engine.trainer import VmappedTrainer

    train, validation = split(load_train(data_home=PATHS.data), STEPS * batch)
    model = ModelConfig(activation="relu", dropout=0.25)
    network = StatelessNetwork(model, precision, ["relu"], "matrix")
    trainer = VmappedTrainer(network, slots, batch, train, validation)
    weights, permutations = trainer.empty_weights(), trainer.empty_permutations()
    for slot in range(slots):
        weights = trainer.start_trial(weights, slot, model, TrainConfig(seed=slot))
        permutations = trainer.set_permutation(permutations, slot, np.arange(len(train)))
    rates = jnp.full((slots, STEPS), 0.1, jnp.float32)
    controls = Controls.idle(slots)
    controls.end[:], controls.patience[:] = STEPS, 2**30
    one: Any = partial(train_step, network, trainer.batch_size)
    own = jax.vmap(one, in_axes=(0, 0, 0, 0, None))
    # All slots are at the same step of the same permutation, which are not mapped over then.
    axes: Any = Controls(None, *(0 for _ in controls[1:]))
    together = jax.vmap(one, in_axes=(0, axes, 0, None, None))

    def each_its_own(weights: DeviceWeights, controls: DeviceControls) -> Carry:
        def step(carry: Carry, _: None) -> tuple[Carry, None]:
            return own(*carry, rates, permutations, trainer.train_images), None

        after: Carry = lax.scan(step, (weights, controls), length=STEPS)[0]
        return after

    def shared(weights: DeviceWeights, controls: DeviceControls) -> Carry:
        def step(carry: Carry, number: jax.Array) -> tuple[Carry, None]:
            weights, controls = carry
            at = controls._replace(step=number)
            return together(weights, at, rates, permutations[0], trainer.train_images), None

        after: Carry = lax.scan(step, (weights, controls), jnp.arange(STEPS))[0]
        return after

    return {
        ("own images", "whole step"): _ready(each_its_own, weights, controls),
        ("shared images", "whole step"): _ready(shared, weights, controls),
    }


def timed(calls: dict[tuple[str, str], Call], rounds: int) -> dict[tuple[str, str], list[float]]:
    """Milliseconds of each call in each round. The calls take turns; the first round is not
    counted."""
    import jax

    times: dict[tuple[str, str], list[float]] = {key: [] for key in calls}
    for number in range(rounds + 1):
        for key, call in calls.items():
            started = time.perf_counter()
            jax.block_until_ready(call())
            if number:
                times[key].append(1000 * (time.perf_counter() - started))
    return times


def measure(layer: str, slots: int, batch: int, precision: str, rounds: int) -> list[Row]:
    """A row for each way: milliseconds forward and backward, or of a whole training step."""
    if layer in LAYERS:
        times = timed(convolutions(layer, slots, batch, precision), rounds)
    else:
        whole = timed(steps(slots, batch, precision), rounds)
        times = {key: [each / STEPS for each in found] for key, found in whole.items()}
    rows: dict[str, Row] = {}
    for (way, part), found in times.items():
        row = rows.setdefault(way, {"layer": layer, "slots": slots, "way": way})
        row[part] = found
    return list(rows.values())


def show(console: Console, rows: list[Row], title: str) -> None:
    """The table, and what sharing the images of a batch would save."""
    made = table(title, "", "slots", "way", "forward, ms", "backward, ms", "both")
    for row in rows:
        if "error" in row:
            made.add_row(row["layer"], str(row["slots"]), row["error"])
            continue
        parts = [row[part] for part in ("forward", "backward") if part in row]
        both = [sum(pair) for pair in zip(*parts, strict=True)] if parts else row["whole step"]
        cells = [spread(part) for part in parts] or ["", ""]
        made.add_row(row["layer"], str(row["slots"]), row["way"], *cells, spread(both))
    console.print(made)
    pairs = [
        (own["slots"], median(own["whole step"]), median(shared["whole step"]))
        for own, shared in pairwise(rows)
        if own.get("way") == "own images" and shared.get("way") == "shared images"
    ]
    for slots, own, shared in pairs:
        console.print(
            f"{slots} slots: a step with shared images takes {shared / own:.2f} of the time"
        )


@app.command()
def main(
    slots: Annotated[str, typer.Option(help="Numbers of slots, with commas.")] = "1,8,32",
    batch: Annotated[int, typer.Option(min=1)] = 1000,
    rounds: Annotated[int, typer.Option(min=1)] = 10,
    precision: Annotated[str, typer.Option(help="bfloat16 or float32.")] = "bfloat16",
) -> None:
    """Measure ways to convolve for many slots at once."""
    backend.use_jax()
    import jax

    from fmnist_model.utils.device import jax_device_name

    console = Console(width=110)
    settings = {"device": jax_device_name(), "batch": batch, "precision": precision}
    rows: list[Row] = []
    for count in map(int, slots.split(",")):
        for layer in (*LAYERS, "all"):
            try:
                rows += measure(layer, count, batch, precision, rounds)
            except jax.errors.JaxRuntimeError as error:
                rows.append({"layer": layer, "slots": count, "error": str(error)[:60]})
            save_rows(RESULTS / "convolutions.json", settings, rows)
    title = f"{settings['device']}, {precision}, batches of {batch}: {rounds} rounds in turns"
    show(console, rows, title)
    console.print(f"written: {RESULTS / 'convolutions.json'}")


if __name__ == "__main__":
    run(app)
