"""Chooses and loads the engine of a search: TensorFlow trains one trial after the other, the
population engine (JAX) many side by side."""

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
"""The study's user attribute that records how many slots, and which kind of convolution, were
chosen on which device."""


def chosen_engine(wanted: str, preset: Preset, alone: bool) -> Name:
    """The engine that is wanted or, for "auto", the one that suits the preset and the machine.

    "auto" means the population engine if it supports everything that the preset fixes and searches,
    if JAX sees a GPU, and if this process is the only worker (`alone`); otherwise TensorFlow.
    Raises UserError if the population engine is wanted but does not support the preset.
    """
    searched = preset.space.dimensions()
    not_per_slot = [name for name in searched if HYPERPARAMETERS[name].jax != "per_slot"]
    unsupported = unsupported_by_jax(ModelConfig(**preset.model), TrainConfig(**preset.train))
    if preset.objective is not None and preset.objective.needs("latency_ms"):
        unsupported = [*unsupported, "latency_ms"]  # its slots share one program
    if wanted == "population" and not_per_slot:
        names = ", ".join(f"space.{name}" for name in not_per_slot)
        problem = f"{names} would need a program for each choice"
        raise UserError(problem, Remedy.FIX_OR_TAKE_TENSORFLOW)
    if wanted == "population" and unsupported:
        names = " and ".join(unsupported)
        problem = f"the population engine does not know {names}"
        raise UserError(problem, Remedy.OMIT_OR_TAKE_TENSORFLOW, names=names)
    if wanted == "auto":
        supported = not (not_per_slot or unsupported)
        return "population" if supported and alone and _jax_sees_a_gpu() else "tensorflow"
    return "population" if wanted == "population" else "tensorflow"


def _jax_sees_a_gpu() -> bool:
    with native_log_hidden():
        return backend.jax_sees_a_gpu()


def loader(engine: Name, slots: int | None) -> EngineLoader:
    """The function that loads the engine.

    `slots` is how many trials the population engine trains side by side; None lets it measure what
    is fastest. Raises UserError if JAX is not installed, or if TensorFlow is given slots.
    """
    if engine == "population":
        backend.use_jax()
        return partial(load_population, slots=slots)
    if slots is not None:
        problem = "slots are the population engine's; TensorFlow trains one trial after the other"
        raise UserError(problem, Remedy.OMIT_SLOTS)
    return load_engine


def load_data(job: SearchJob, study: Study, progress: Progress) -> tuple[Images, Images]:
    """The training and the validation images.

    Raises UserError if the files are invalid, or if the study was begun with other images.
    """
    from fmnist_model.dataset import load_train, split

    images = load_train(job.data, progress.say, job.data_home)
    train, validation = split(images, job.preset.data.limit)
    check_data(study, train.sha256)
    return train, validation


def load_engine(job: SearchJob, study: Study, progress: Progress) -> Engine:
    """Load the images and TensorFlow. Raises UserError as `load_data` does."""
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
    """Load the images and JAX, and compile the training step.

    Raises UserError as `load_data` does, and if the slots do not fit into the device's memory.
    """
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

    population = _create_population(make, study, slots, progress.say)
    progress.say(
        f"{len(train):,} training and {len(validation):,} validation images on "
        f"{population.device}, ready after {time.perf_counter() - started:.0f} s"
    )
    return population


def _create_population(make: Make, study: Study, slots: int | None, say: Say) -> VectorizedEngine:
    """A population engine with the number of slots that is asked for.

    If none is asked for, it is the number that the study recorded for this device; if there is no
    record, the number that measurements show to be fastest. The choice is recorded in the study.
    """
    from fmnist_model.jax_engine import choose, recreate
    from fmnist_model.utils import jax_device_name

    device, known = jax_device_name(), study.user_attrs.get(CHOSEN, {})
    if known.get("device") == device and slots in (None, known["slots"]):
        return recreate(make, known["slots"], known["convolution"], say)
    population = choose(make, slots, say)
    chosen = {"slots": population.slots, "convolution": population.convolution}
    study.set_user_attr(CHOSEN, {"device": device, **chosen})
    return population
