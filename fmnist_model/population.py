"""The population engine: many trials side by side in one device program, each in a slot of its own.

    population = Population(model, train, images, validation, slots=32, activations=["relu"])
    running = population.running(model, train)  # one of up to 32; then, until each has ended:
    next(running); population.advance()

A slot is given the next trial as soon as its last one has ended; nothing is compiled for it. The
process must have KERAS_BACKEND=jax (`fmnist_model.backend`).
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np

from fmnist_model import network
from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.data import Images
from fmnist_model.device import jax_device_name, resolve_jax_precision
from fmnist_model.examination import CHUNK, Examined
from fmnist_model.examination import Weights as Named
from fmnist_model.explain import label_entropy
from fmnist_model.lockstep import OUTPUTS, Convolution, Lockstep
from fmnist_model.requests import Request, Score, Steps, Stretch
from fmnist_model.results import Report, RunResult
from fmnist_model.running import Origin, Run
from fmnist_model.slots import Controls, Weights

ENGINE = "population"
OWN_TO_A_TRIAL = {"activation", "output_activation", "dropout"}
"""What may differ between the models of two slots; in training it is all but the batch size and
the precision."""


class Population:
    """Trains up to `slots` configurations at once on the same images.

    `model` and `train` stand for all of them: they may differ in what is named above, and their
    activations are among `activations`. What a trial comes to depends on its own configuration and
    seed alone, not on its neighbours; another number of slots rounds in another way.
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
        self.slots = slots
        self.device, self.precision = jax_device_name(), resolve_jax_precision(train.precision)
        self._shared = _shared(model, train)
        self._entropy = label_entropy(images.labels)
        self._lockstep = Lockstep(
            model,
            train.batch_size,
            self.precision,
            images,
            validation,
            slots,
            activations,
            convolution,
        )
        self.network = self._lockstep.network
        self._controls = Controls.idle(slots)
        self._rates = np.zeros((slots, self._lockstep.steps), np.float32)
        self._free = list(range(slots))
        self._asked: dict[int, Request] = {}
        self._answers: dict[int, Any] = {}

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
        slot = self._free.pop(0)
        try:
            self._lockstep.fill(slot, model, train, weights)
            self._controls.momentum[slot] = train.momentum
            self._controls.weight_decay[slot] = train.weight_decay
            self._controls.output[slot] = OUTPUTS.index(model.output_activation)
            examined = _Slot(self._lockstep, slot, model, train)
            origin = Origin(ENGINE, self.precision, self.device)
            run = Run(examined, model, train, origin, self._entropy, validated=True).train(report)
            request = next(run)
            while True:
                self._ask(slot, request)
                while slot not in self._answers:
                    yield
                try:
                    request = run.send(self._answers.pop(slot))
                except StopIteration as end:
                    result: RunResult = end.value
                    return result
        finally:
            self._controls.end[slot] = self._controls.step[slot] = 0
            self._asked.pop(slot, None)
            self._answers.pop(slot, None)
            self._free.append(slot)
            self._free.sort()

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

    def measure(self, rounds: int = 2) -> float:
        """Images/s of training with all slots at work, its compilation left out.

        To be called while all slots are free.
        """
        busy = Controls.idle(self.slots)
        for array, value in ((busy.end, self._lockstep.steps), (busy.patience, 2**30)):
            array[:] = value
        self._lockstep.advance(busy, self._rates)
        started = time.perf_counter()
        for _ in range(rounds):
            self._lockstep.advance(busy, self._rates)
        seconds = time.perf_counter() - started
        return rounds * self.slots * self._lockstep.stride * self._lockstep.batch / seconds

    def advance(self) -> None:
        """Answer what the runs have asked for: scores, if any did, else some steps of training."""
        scored = [slot for slot, asked in self._asked.items() if isinstance(asked, Score)]
        if scored:
            scores = self._lockstep.score(scored, self._controls.output)
            for slot, score in zip(scored, scores, strict=True):
                self._answer(slot, score)
        elif self._asked:
            self._train()

    def _ask(self, slot: int, request: Request) -> None:
        self._asked[slot] = request
        if not isinstance(request, Stretch):
            return
        self._rates[slot] = request.rates
        controls = self._controls
        controls.step[slot], controls.end[slot] = request.first, self._lockstep.steps
        controls.quiet[slot], controls.absurd[slot] = request.quiet, request.absurd
        controls.patience[slot], controls.correct[slot] = request.patience, 0
        controls.loss_sum[slot] = controls.last_loss[slot] = 0

    def _train(self) -> None:
        after = self._lockstep.advance(self._controls, self._rates)
        # The host's own copy: what comes from the device cannot be written to.
        self._controls = Controls(*(np.array(figures) for figures in after))
        for slot in list(self._asked):
            step, end, quiet, absurd, patience, _, correct, *_, loss_sum, last_loss = (
                figures[slot].item() for figures in self._controls
            )
            if step == end or quiet >= patience or not np.isfinite(last_loss):
                self._answer(slot, Steps(step, quiet, absurd, loss_sum, correct, last_loss))

    def _answer(self, slot: int, answer: Any) -> None:
        del self._asked[slot]
        self._controls.end[slot] = self._controls.step[slot]  # it rests until it asks again
        self._answers[slot] = answer


def _shared(model: ModelConfig, train: TrainConfig) -> tuple[Any, ...]:
    """What is the same for all slots of a population; raise ValueError for what none has."""
    if model.batch_normalization or train.flip or train.shift:
        raise ValueError("a population knows no batch normalisation, flips or shifts")
    return (*model.model_dump(exclude=OWN_TO_A_TRIAL).items(), train.batch_size, train.precision)


class _Slot(Examined):
    """One slot's network, to be looked at."""

    def __init__(
        self, lockstep: Lockstep, slot: int, model: ModelConfig, train: TrainConfig
    ) -> None:
        self.config, self._train = model, train
        self._lockstep, self._slot = lockstep, slot
        self.layers = network.weighted_layers(lockstep.network)
        self.before_dropout = network.layers_before_dropout(lockstep.network)
        self._coasted: Weights | None = None
        self._order = np.arange(self.images)

    @property
    def images(self) -> int:
        return len(self._lockstep.train_images.labels)

    def _weights(self) -> Weights:
        return self._coasted or self._lockstep.of(self._slot)

    def weights(self) -> list[Named]:
        return [
            Named(variable.path.split("/")[-2], variable.name, value)
            for variable, value in zip(
                self._lockstep.variables, self._weights().trainable, strict=True
            )
        ]

    def counts(self) -> Iterator[tuple[int, Sequence[Any]]]:
        weights = jax.device_put(self._weights())
        for start in range(0, self.images, CHUNK):
            chosen = np.arange(start, min(start + CHUNK, self.images))
            yield len(chosen), self._lockstep.count(weights, chosen, self.config.activation)

    def show(self, epoch: int, train: TrainConfig) -> None:
        self._order = np.random.default_rng([train.seed, epoch]).permutation(self.images)
        self._lockstep.order(self._slot, self._order)

    def pre_activations(self, batch: slice) -> list[Any]:
        weights = self._weights()
        pixels = self._lockstep.train_images.pixels[self._order[batch]]
        return list(self._lockstep.pre_activations(weights.trainable, weights.state, pixels))

    @contextmanager
    def coasted(self, rate: float) -> Iterator[None]:
        weights = self._weights()
        way = rate * self._train.momentum / (1 - self._train.momentum)
        pairs = zip(weights.trainable, weights.velocity, strict=True)
        self._coasted = weights._replace(trainable=[w - np.float32(way) * v for w, v in pairs])
        try:
            yield
        finally:
            self._coasted = None
