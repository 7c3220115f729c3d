"""The parts of `benchmarks.population`, each measured in a process in which Keras runs on JAX."""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.dataset.fashion_mnist import Images, load_train, split
from fmnist_model.jax_engine import backend
from fmnist_model.utils.cli import PATHS
from search.console.progress import Progress
from search.execution.job import SearchJob
from search.execution.runner import run_search
from search.presets.files import load_preset
from search.presets.preset import Preset
from search.presets.sections import DataConfig
from search.study.trial_record import TrialRecord
from search.study.trials import count_trials

if TYPE_CHECKING:
    from fmnist_model.jax_engine.engine import VectorizedEngine
    from fmnist_model.jax_engine.layers import Convolution

FRESH = 3
"""Trials, each of which has its program compiled anew."""
WARMING = 4
"""Trials of a first search that is not counted, because its first checks compile, too."""
Row = dict[str, Any]


class Setting(NamedTuple):
    """The number of training images, the directory of the data, and the trials of each search."""

    images: int
    trials: int
    data: Path | None


def preset(setting: Setting) -> Preset:
    """The paper preset on this many images, without budgets, so that trials come one by one."""
    return load_preset("paper", PATHS.presets).model_copy(
        update={"data": DataConfig(limit=setting.images), "search": None}
    )


def on_jax(function: Callable[..., Row]) -> Callable[..., Row]:
    """A context in which Keras runs on JAX; what JAX raises, for want of memory, becomes the
    `error`."""

    @wraps(function)
    def wrapped(*arguments: Any, **named: Any) -> Row:
        backend.use_jax()
        import jax

        try:
            return function(*arguments, **named)
        except jax.errors.JaxRuntimeError as error:
            return {"error": str(error).strip().splitlines()[0][:200]}

    return wrapped


def device() -> str:
    """The device's name."""
    backend.use_jax()
    from fmnist_model.utils.device import jax_device_name

    return jax_device_name()


@on_jax
def limits() -> Row:
    """The device's bfloat16 matrix products in FLOP/s and its copies in bytes/s, round by round,
    and the precision that the population engine chooses for the device."""
    import jax
    import jax.numpy as jnp

    from fmnist_model.utils.device import jax_device_name, resolve_jax_precision

    small = jax.default_backend() == "cpu"
    side, length = (1024, 2**24) if small else (8192, 2**29)
    # Drawn, for zeros and ones cost less power, and a GPU is the faster for it.
    draw = jax.jit(jax.random.normal, static_argnums=(1, 2))
    square = draw(jax.random.key(0), (side, side), jnp.bfloat16)
    line = draw(jax.random.key(1), (length,), jnp.bfloat16)
    product, copy = jax.jit(jnp.matmul), jax.jit(lambda x: x + 1)
    return {
        "device": jax_device_name(),
        "precision": resolve_jax_precision("auto"),
        "matrix_flops_per_second": [
            2 * side**3 / s for s in _seconds(lambda: product(square, square))
        ],
        "copied_bytes_per_second": [4 * length / s for s in _seconds(lambda: copy(line))],
    }


def _seconds(call: Callable[[], Any], rounds: int = 10) -> list[float]:
    call().block_until_ready()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        call().block_until_ready()
        times.append(time.perf_counter() - started)
    return times


@on_jax
def speed(setting: Setting, slots: int, convolution: Convolution) -> Row:
    """Images/s with all slots at work, round by round; how long compiling took; memory."""
    import jax

    found = _engine(setting, slots, convolution).measure()
    memory = jax.devices()[0].memory_stats() or {}
    return {
        "images_per_second": found.images,
        "ready_seconds": found.ready,
        "peak_gib": memory.get("peak_bytes_in_use", 0) / 2**30,
    }


@on_jax
def search(setting: Setting, slots: int, convolution: Convolution, seed: int) -> Row:
    """A search on a database of its own: how long it took, the host's part, how its trials ended.

    It must not be the first search that this process makes with this engine, because that compiles.
    """
    engine = _warmed(setting, slots, convolution)
    return _searched(setting, engine, setting.trials, seed)


@cache
def _warmed(setting: Setting, slots: int, convolution: Convolution) -> VectorizedEngine:
    engine = _engine(setting, slots, convolution)
    _searched(setting, engine, WARMING, 0)
    return engine


def _searched(setting: Setting, engine: VectorizedEngine, trials: int, seed: int) -> Row:
    started, busy = 0.0, 0.0

    def load(_order: SearchJob, study: Any, _progress: Progress) -> Any:
        nonlocal started, busy
        study.set_user_attr("data_sha256", _images(setting)[0].sha256)
        started, busy = time.perf_counter(), time.thread_time()
        return engine

    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/studies.db"
        order = SearchJob(preset(setting), "bench", url, trials, seed)
        study = run_search(order, Progress(Console(file=io.StringIO())), load=load)
        seconds, host = time.perf_counter() - started, time.thread_time() - busy
        ended = study.get_trials(deepcopy=False)
    counts = count_trials(ended)
    names = ("completed", "pruned", "stuck", "diverged", "failed")
    return {
        "seconds": seconds,
        "trials_per_second": trials / seconds,
        "host_seconds": host,
        "epochs": sum(TrialRecord.of(trial).epochs_trained for trial in ended),
        "steps": sum(TrialRecord.of(trial).steps_run or 0 for trial in ended),
        **{name: getattr(counts, name) for name in names},
    }


@on_jax
def fresh(setting: Setting) -> Row:
    """What compiling anew costs a trial: the first epoch of one slot, less a second epoch."""
    import jax

    model, train = _configurations(setting)
    once = train.model_copy(update={"epochs": 1})
    seconds = []
    for _ in range(FRESH):
        jax.clear_caches()
        started = time.perf_counter()
        engine = _new_engine(setting, 1, "matrix")
        engine.run(model, once)
        compiled = time.perf_counter()
        engine.run(model, once)
        seconds.append((compiled - started) - (time.perf_counter() - compiled))
    return {"compile_seconds": seconds}


@cache
def _engine(setting: Setting, slots: int, convolution: Convolution) -> VectorizedEngine:
    """The engine of this process that has this many slots."""
    return _new_engine(setting, slots, convolution)


def _new_engine(setting: Setting, slots: int, convolution: Convolution) -> VectorizedEngine:
    """A new engine, which is compiled when it is first used."""
    from fmnist_model.jax_engine.engine import VectorizedEngine

    model, train = _configurations(setting)
    searched = preset(setting).space.dimensions().get("activation")
    activations = [model.activation] if searched is None else searched.values()
    return VectorizedEngine(model, train, *_images(setting), slots, list(activations), convolution)


def _configurations(setting: Setting) -> tuple[ModelConfig, TrainConfig]:
    question = preset(setting)
    return ModelConfig(**question.model), TrainConfig(**question.train)


@cache
def _images(setting: Setting) -> tuple[Images, Images]:
    return split(load_train(setting.data, data_home=PATHS.data), setting.images)
