"""The vectorized engine: many trials side by side in one device program, each in its own slot.

A slot is given the next trial as soon as its last one has ended; nothing is compiled for it. The
slots form two groups, of which one trains while the host attends to the trials of the other: a
report to a database takes as long as some steps of a fast device. The process must have
KERAS_BACKEND=jax (`fmnist_model.jax_engine.backend`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from functools import partial
from typing import Any

import numpy as np

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.dataset import Images
from fmnist_model.diagnosis import label_entropy
from fmnist_model.hyperparameters import (
    HYPERPARAMETERS,
    hyperparameter_values,
    unsupported_by_jax,
)
from fmnist_model.jax_engine.layers import Convolution
from fmnist_model.jax_engine.slot_group import SlotGroup
from fmnist_model.jax_engine.slot_network import SlotNetwork
from fmnist_model.jax_engine.speed import Speed, measure_speed
from fmnist_model.jax_engine.stateless_network import StatelessNetwork
from fmnist_model.jax_engine.trainer import VmappedTrainer
from fmnist_model.training import Checkpoint, Origin, Report, RunGenerator, RunResult, TrialRun
from fmnist_model.utils import jax_device_name, resolve_jax_precision

ENGINE_NAME = "population"


class VectorizedEngine:
    """Trains up to `slots` configurations at once on the same images.

    What a trial comes to depends on its own configuration and seed alone, not on its neighbours;
    another number of slots rounds differently.

    Args:
        model: Stands for all models. A trial's may differ from it in the hyperparameters that
            `fmnist_model.hyperparameters` declares as "per_slot".
        train: Stands for all training configurations, in the same way.
        images: The training images.
        validation: The images on which each epoch is scored.
        slots: How many trials train at once, 1 or more.
        activations: The activations that trials may have.
        convolution: "matrix" for matrix products, "grouped" for XLA's grouped convolutions. Which
            one is faster depends on the device; `fmnist_model.jax_engine.autotune` measures it.

    Raises:
        ValueError: `model` or `train` asks for something that this engine does not support, such as
            batch normalisation.

    Example:
        Two learning rates side by side, in a process where JAX is Keras's backend:

        >>> from pathlib import Path
        >>> from fmnist_model.config import ModelConfig, TrainConfig
        >>> from fmnist_model.dataset import load_train, split
        >>> from fmnist_model.jax_engine import VectorizedEngine, backend
        >>> backend.use_jax()
        >>> model = ModelConfig(filters=(4,), dense_units=(8,))
        >>> train = TrainConfig(batch_size=100, epochs=2, precision="float32")
        >>> images, validation = split(load_train(data_home=Path("data")), 400)
        >>> engine = VectorizedEngine(model, train, images, validation, 2, ["relu"])
        >>> results = {}
        >>> def trial(rate):
        ...     own = train.model_copy(update={"learning_rate": rate})
        ...     results[rate] = yield from engine.running(model, own)
        >>> trials = [trial(0.1), trial(1e30)]
        >>> while len(results) < len(trials):
        ...     for each in trials:
        ...         next(each, None)
        ...     engine.advance()
        >>> results[0.1].stop_reason, results[1e30].stop_reason
        ('completed', 'diverged')
    """

    can_continue = True

    def __init__(
        self,
        model: ModelConfig,
        train: TrainConfig,
        images: Images,
        validation: Images,
        slots: int,
        activations: Sequence[str],
        convolution: Convolution = "matrix",
    ) -> None:
        self.slots, self.convolution = slots, convolution
        self.device, self.precision = jax_device_name(), resolve_jax_precision(train.precision)
        self._model, self._train = model, train
        self._shared = _shared(model, train)
        self._entropy = label_entropy(images.labels)
        self._group_size = -(-slots // 2)  # of an odd number of slots, one is never used
        network = StatelessNetwork(model, self.precision, activations, convolution)
        trainer = VmappedTrainer(network, self._group_size, train.batch_size, images, validation)
        self._groups = [SlotGroup(trainer) for _ in range(min(2, slots))]
        self._turns = deque(self._groups)
        self._free = list(range(slots))

    def running(
        self,
        model: ModelConfig,
        train: TrainConfig,
        report: Report | None = None,
        weights: Sequence[np.ndarray] | None = None,
        *,
        start: Checkpoint | None = None,
        keep: bool = False,
    ) -> Generator[None, None, RunResult]:
        """Train one configuration in a free slot, which it gives back when it ends or is closed.

        Resume the generator again and again, and call `advance` in between; its return value is
        the result. Raises ValueError where no slot is free, or where the configuration differs
        from the engine's in what all trials share, and CheckpointError where it cannot be continued
        from `start`.

        Args:
            model: The trial's network.
            train: How it is trained.
            report: Is called after each epoch; the trial is pruned where it returns true.
            weights: Initial values of the trainable variables, instead of those drawn from the
                trial's seed.
            start: Where the run is continued; `weights` mean nothing then. Only the epochs after it
                are trained and reported.
            keep: Whether the result is to hold the run's checkpoint, if it has completed.
        """
        number = self._take_slot(model, train)
        group, slot = self._locate(number)
        try:
            group.start_trial(slot, model, train, weights)
            network = SlotNetwork(group, slot, model, train)
            origin = Origin(ENGINE_NAME, self.precision, self.device)
            run = TrialRun(network, model, train, origin, self._entropy, True, start)
            if start is not None:
                group.restore(slot, start.network)
            result = yield from _serve(run.train(report), group, slot)
            return run.with_checkpoint(result, partial(group.snapshot, slot)) if keep else result
        finally:
            group.release(slot)
            self._free.append(number)

    def _take_slot(self, model: ModelConfig, train: TrainConfig) -> int:
        if _shared(model, train) != self._shared:
            raise ValueError(f"{model} and {train} need another program than this engine's")
        if not self._free:
            raise ValueError(f"all of the {self.slots} slots are taken")
        number = self._next_free()
        self._free.remove(number)
        return number

    def _next_free(self) -> int:
        """The first free slot, of a group that is not busy if there is one."""
        return min(self._free, key=lambda number: (self._locate(number)[0].busy, number))

    def _locate(self, number: int) -> tuple[SlotGroup, int]:
        """The group of one of the engine's slots, and the slot's index in it."""
        return self._groups[number // self._group_size], number % self._group_size

    def run(
        self,
        model: ModelConfig,
        train: TrainConfig,
        report: Report | None = None,
        *,
        start: Checkpoint | None = None,
        keep: bool = False,
    ) -> RunResult:
        """Train one configuration alone. See `running` for arguments and errors."""
        running = self.running(model, train, report, start=start, keep=keep)
        while True:
            try:
                next(running)
            except StopIteration as end:
                result: RunResult = end.value
                return result
            self.advance()

    def advance(self) -> None:
        """Let one group train on, and reply to the trials of the other one.

        Whose turn it is does not depend on how long anything takes.
        """
        self._turns[0].dispatch()
        self._turns.rotate()
        self._turns[0].collect()

    def weights(self, number: int) -> list[np.ndarray]:
        """What a slot's trial is training, in the order of the network's trainable variables."""
        group, slot = self._locate(number)
        return [np.asarray(value) for value in group.weights(slot).trainable]

    def measure(self) -> Speed:
        """Measure how fast all slots train together, while none of them has a trial."""
        return measure_speed(self._groups, self.slots, self._model, self._train)


def _serve(run: RunGenerator, group: SlotGroup, slot: int) -> Generator[None, None, RunResult]:
    """Submit what a run requests to its slot, and send it the replies; yield while it waits."""
    request = next(run)
    while True:
        group.submit(slot, request)
        while not group.has_reply(slot):
            yield
        try:
            request = run.send(group.take_reply(slot))
        except StopIteration as end:
            result: RunResult = end.value
            return result


def _shared(model: ModelConfig, train: TrainConfig) -> tuple[Any, ...]:
    """What is the same in all slots; raise ValueError where something is not supported here."""
    unsupported = unsupported_by_jax(model, train)
    if unsupported:
        raise ValueError(f"the JAX engine does not support {', '.join(unsupported)}")
    values = hyperparameter_values(model, train)
    shared = [value for name, value in values.items() if HYPERPARAMETERS[name].jax != "per_slot"]
    return (*shared, train.precision)
