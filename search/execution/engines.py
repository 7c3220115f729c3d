"""Which engine trains a search's trials, one after the other or side by side, and who loads it."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal

from optuna.study import Study

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.hyperparameters import HYPERPARAMETERS, unsupported_by_jax
from fmnist_model.jax_engine import backend
from fmnist_model.training import Engine
from fmnist_model.utils import Remedy, UserError, native_log_hidden
from search.console import Progress
from search.execution.job import SearchJob
from search.presets import Preset
from search.study import check_data

if TYPE_CHECKING:
    from fmnist_model.dataset import Images
    from fmnist_model.jax_engine import Convolution, Make, Say, VectorizedEngine

Name = Literal["tensorflow", "population"]
EngineLoader = Callable[[SearchJob, Study, Progress], Engine]

CHOSEN = "population"
"""The study's attribute that says how many slots were chosen, on which device."""


def chosen_engine(wanted: str, preset: Preset, alone: bool) -> Name:
    """The engine: the one that is wanted, or, for "auto", what suits the preset and the machine.

    That is the population if the space allows it, JAX sees a GPU, and this process works `alone`.
    Raises UserError where a population is wanted that cannot be.
    """
    searched = preset.space.dimensions()
    fixed = [name for name in searched if HYPERPARAMETERS[name].jax != "per_slot"]
    asked = unsupported_by_jax(ModelConfig(**preset.model), TrainConfig(**preset.train))
    if wanted == "population" and fixed:
        names = ", ".join(f"space.{name}" for name in fixed)
        problem = f"{names} would need a program for each choice"
        raise UserError(problem, Remedy.FIX_OR_TAKE_TENSORFLOW)
    if wanted == "population" and asked:
        names = " and ".join(asked)
        problem = f"the population engine does not know {names}"
        raise UserError(problem, Remedy.OMIT_OR_TAKE_TENSORFLOW, names=names)
    if wanted == "auto":
        return (
            "population" if not (fixed or asked) and alone and _jax_sees_a_gpu() else "tensorflow"
        )
    return "population" if wanted == "population" else "tensorflow"


def _jax_sees_a_gpu() -> bool:
    with native_log_hidden():
        return backend.jax_sees_a_gpu()


def loader(engine: Name, slots: int | None) -> EngineLoader:
    """What loads the engine. Raises UserError where it is not installed or has no slots."""
    if engine == "population":
        backend.use_jax()
        return partial(load_population, slots=slots)
    if slots is not None:
        problem = "slots are the population engine's; TensorFlow trains one trial after the other"
        raise UserError(problem, Remedy.OMIT_SLOTS)
    return load_engine


def load_data(job: SearchJob, study: Study, progress: Progress) -> tuple[Images, Images]:
    """Training and validation images; raise UserError where they are wrong or not the study's."""
    from fmnist_model.dataset import load_train, split

    images = load_train(job.data, progress.say, job.data_home)
    train, validation = split(images, job.preset.data.limit)
    check_data(study, train.sha256)
    return train, validation


def load_engine(job: SearchJob, study: Study, progress: Progress) -> Engine:
    """Load data and TensorFlow; raise UserError where the data is wrong or not the study's."""
    started = time.perf_counter()
    progress.say("loading the data and TensorFlow")
    train, validation = load_data(job, study, progress)
    with native_log_hidden():
        from fmnist_model.tensorflow_engine import TensorFlowEngine

        engine = TensorFlowEngine(train, validation)
    progress.say(
        f"{len(train):,} training and {len(validation):,} validation images on "
        f"{engine.device}, ready after {time.perf_counter() - started:.0f} s"
    )
    return engine


def load_population(job: SearchJob, study: Study, progress: Progress, slots: int | None) -> Engine:
    """Load data and JAX, and compile; raise UserError where the data is wrong or too much."""
    started = time.perf_counter()
    progress.say("loading the data and JAX, and compiling")
    train, validation = load_data(job, study, progress)
    model, training = ModelConfig(**job.preset.model), TrainConfig(**job.preset.train)
    searched = job.preset.space.dimensions().get("activation")
    activations = [model.activation] if searched is None else searched.values()
    with native_log_hidden():
        from fmnist_model.jax_engine import VectorizedEngine

        if job.data_home is not None:
            backend.keep_programs(job.data_home / "cache" / "jax")

    def make(count: int, convolution: Convolution) -> VectorizedEngine:
        return VectorizedEngine(model, training, train, validation, count, activations, convolution)

    population = _chosen(make, study, slots, progress.say)
    progress.say(
        f"{len(train):,} training and {len(validation):,} validation images on "
        f"{population.device}, ready after {time.perf_counter() - started:.0f} s"
    )
    return population


def _chosen(make: Make, study: Study, slots: int | None, say: Say) -> VectorizedEngine:
    """As many slots as are asked for; else as the study has had on this device; else measured."""
    from fmnist_model.jax_engine import choose, recreate
    from fmnist_model.utils import jax_device_name

    device, known = jax_device_name(), study.user_attrs.get(CHOSEN, {})
    if known.get("device") == device and slots in (None, known["slots"]):
        return recreate(make, known["slots"], known["convolution"], say)
    population = choose(make, slots, say)
    chosen = {"slots": population.slots, "convolution": population.convolution}
    study.set_user_attr(CHOSEN, {"device": device, **chosen})
    return population
