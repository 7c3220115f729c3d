"""The population engine: many trials side by side in one device program, each in a slot of its own.

    population = Population(model, train, images, validation, slots=32, activations=["relu"])
    running = population.running(model, train)  # one of up to 32; then, until each has ended:
    next(running); population.advance()

A slot is given the next trial as soon as its last one has ended; nothing is compiled for it. The
slots are in two banks, of which one trains while the trials of the other are seen to: a report to a
database takes as long as some steps of a fast device. The process must have KERAS_BACKEND=jax
(`fmnist_model.jax_engine.backend`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import numpy as np

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.dataset.fashion_mnist import Images
from fmnist_model.diagnosis.frozen_loss import label_entropy
from fmnist_model.hyperparameters import (
    HYPERPARAMETERS,
    hyperparameter_values,
    unsupported_by_jax,
)
from fmnist_model.jax_engine.slot_group import SlotGroup
from fmnist_model.jax_engine.state import SlotWeights
from fmnist_model.jax_engine.train_step import Convolution, VmappedTrainer
from fmnist_model.network import build
from fmnist_model.training.inspection import CHUNK, InspectableNetwork
from fmnist_model.training.inspection import NamedWeight as Named
from fmnist_model.training.results import Origin, Report, RunResult
from fmnist_model.training.run import TrialRun
from fmnist_model.utils.device import jax_device_name, resolve_jax_precision

ENGINE_NAME = "population"
MEASURED_SECONDS, MEASURED_ROUNDS = 1.0, (2, 20)
"""Speed is measured over so many rounds, the fewer the longer they take."""


class Speed(NamedTuple):
    """Seconds until the program was compiled, and images/s in each of some rounds thereafter."""

    ready: float
    images: list[float]


class VectorizedEngine:
    """Trains up to `slots` configurations at once on the same images.

    `model` and `train` stand for all of them: they may differ in the hyperparameters that are
    declared "per_slot", and their activations are among `activations`. What a trial comes to
    depends on its own configuration and seed alone, not on its neighbours; another number of slots
    rounds in another way.
    """

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
        self._each = -(-slots // 2)  # in a bank; of an odd number one is never filled
        lockstep = VmappedTrainer(
            model,
            train.batch_size,
            self.precision,
            images,
            validation,
            self._each,
            activations,
            convolution,
        )
        self._banks = [SlotGroup(lockstep) for _ in range(min(2, slots))]
        self._turns = deque(self._banks)
        self._free = list(range(slots))

    def running(
        self,
        model: ModelConfig,
        train: TrainConfig,
        report: Report | None = None,
        weights: Sequence[np.ndarray] | None = None,
    ) -> Generator[None, None, RunResult]:
        """Train one configuration in a free slot, which it gives back when it ends or is closed.

        It goes on, if it can, each time that it is resumed; `advance` is to be called in between.
        Raises ValueError where no slot is free, or the configuration is not of this population.
        """
        if _shared(model, train) != self._shared:
            raise ValueError(f"{model} and {train} need another program than this population's")
        if not self._free:
            raise ValueError(f"all of the {self.slots} slots are taken")
        number = self._next_free()
        self._free.remove(number)
        bank, slot = self._place(number)
        try:
            bank.fill(slot, model, train, weights)
            examined = _Slot(bank, slot, model, train)
            origin = Origin(ENGINE_NAME, self.precision, self.device)
            run = TrialRun(examined, model, train, origin, self._entropy, validated=True).train(
                report
            )
            request = next(run)
            while True:
                bank.ask(slot, request)
                while not bank.answered(slot):
                    yield
                try:
                    request = run.send(bank.answer(slot))
                except StopIteration as end:
                    result: RunResult = end.value
                    return result
        finally:
            bank.release(slot)
            self._free.append(number)

    def _next_free(self) -> int:
        """The first free slot, of a bank that is not at work if there is one."""
        return min(self._free, key=lambda number: (self._place(number)[0].at_work, number))

    def _place(self, number: int) -> tuple[SlotGroup, int]:
        return self._banks[number // self._each], number % self._each

    def run(
        self, model: ModelConfig, train: TrainConfig, report: Report | None = None
    ) -> RunResult:
        """Train one configuration alone."""
        running = self.running(model, train, report)
        while True:
            try:
                next(running)
            except StopIteration as end:
                result: RunResult = end.value
                return result
            self.advance()

    def advance(self) -> None:
        """Let one bank train on, and answer what the runs of the other one have asked for.

        Which is whose turn does not depend on how long anything takes.
        """
        self._turns[0].launch()
        self._turns.rotate()
        self._turns[0].collect()

    def weights(self, number: int) -> list[np.ndarray]:
        """What a slot's run is training, in the order of the network's trainable variables."""
        bank, slot = self._place(number)
        return [np.asarray(value) for value in bank.of(slot).trainable]

    def measure(self) -> Speed:
        """How fast it trains with all slots at work. To be called while all are free."""
        started = time.perf_counter()
        self._prepare()
        self._exert()
        ready = time.perf_counter() - started
        least, most = MEASURED_ROUNDS
        times: list[float] = []
        while len(times) < least or (sum(times) < MEASURED_SECONDS and len(times) < most):
            started = time.perf_counter()
            self._exert()
            times.append(time.perf_counter() - started)
        lockstep = self._banks[0].lockstep
        images = self.slots * lockstep.stride * lockstep.batch
        return Speed(ready, [images / seconds for seconds in times])

    def _prepare(self) -> None:
        """Put weights and images into all slots: a device is fast with zeros."""
        lockstep = self._banks[0].lockstep
        build.initialise(lockstep.network, self._train.seed)
        drawn = [variable.value for variable in lockstep.variables]
        order = np.random.default_rng(0).permutation(len(lockstep.train_images.labels))
        for bank in self._banks:
            for slot in range(self._each):
                bank.fill(slot, self._model, self._train, drawn)
                bank.order(slot, order)

    def _exert(self) -> None:
        jax.block_until_ready([bank.exert() for bank in self._banks])


def _shared(model: ModelConfig, train: TrainConfig) -> tuple[Any, ...]:
    """What is the same in all slots; raise ValueError where something is not supported here."""
    unsupported = unsupported_by_jax(model, train)
    if unsupported:
        raise ValueError(f"the JAX engine does not support {', '.join(unsupported)}")
    values = hyperparameter_values(model, train)
    shared = [value for name, value in values.items() if HYPERPARAMETERS[name].jax != "per_slot"]
    return (*shared, train.precision)


class _Slot(InspectableNetwork):
    """One slot's network, to be looked at."""

    def __init__(self, bank: SlotGroup, slot: int, model: ModelConfig, train: TrainConfig) -> None:
        self.config, self._train = model, train
        self._bank, self._lockstep, self._slot = bank, bank.lockstep, slot
        self.layers = build.weighted_layers(self._lockstep.network)
        self.before_dropout = build.layers_before_dropout(self._lockstep.network)
        self._after_momentum: SlotWeights | None = None
        self._order = np.arange(self.images)

    @property
    def images(self) -> int:
        return len(self._lockstep.train_images.labels)

    def _weights(self) -> SlotWeights:
        return self._after_momentum or self._bank.of(self._slot)

    def weights(self) -> list[Named]:
        values = jax.device_get(self._weights().trainable)
        return [
            Named(variable.path.split("/")[-2], variable.name, value)
            for variable, value in zip(self._lockstep.variables, values, strict=True)
        ]

    def counts(self) -> Iterator[tuple[int, Sequence[Any]]]:
        weights = self._weights()
        for start in range(0, self.images, CHUNK):
            chosen = np.arange(start, min(start + CHUNK, self.images))
            counts = self._lockstep.count(weights, chosen, self.config.activation)
            yield len(chosen), jax.device_get(counts)  # all at once: each fetch is a round trip

    def show(self, epoch: int, train: TrainConfig) -> None:
        self._order = np.random.default_rng([train.seed, epoch]).permutation(self.images)
        self._bank.order(self._slot, self._order)

    def pre_activations(self, batch: slice) -> list[Any]:
        weights = self._weights()
        pixels = self._lockstep.train_images.pixels[self._order[batch]]
        return list(self._lockstep.pre_activations(weights.trainable, weights.state, pixels))

    @contextmanager
    def after_momentum(self, rate: float) -> Iterator[None]:
        weights: SlotWeights = jax.device_get(self._weights())
        way = rate * self._train.momentum / (1 - self._train.momentum)
        pairs = zip(weights.trainable, weights.velocity, strict=True)
        self._after_momentum = weights._replace(
            trainable=[w - np.float32(way) * v for w, v in pairs]
        )
        try:
            yield
        finally:
            self._after_momentum = None
