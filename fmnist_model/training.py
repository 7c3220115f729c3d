"""The TensorFlow engine: data on the device, one compiled program an epoch, reused across trials.

    engine = Engine(train, validation)
    result = engine.run(ModelConfig(activation="relu"), TrainConfig(learning_rate=0.2))

There is one program (`fmnist_model.program`) for each network, kept for the next trial.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np

from fmnist_model import health
from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.data import Images
from fmnist_model.device import device_name, resolve_precision
from fmnist_model.health import Diagnosis, Moment
from fmnist_model.program import DeviceImages, Program
from fmnist_model.results import EpochMetrics, Report, RunResult, StopReason

ENGINE = "tensorflow"
QUIET_STEPS = 5
"""Steps in a row with an exactly zero first gradient after which a census is taken."""
MAX_PROGRAMS = 16
"""Programs kept; the least recently used goes first."""


class Engine:
    """Trains configurations one after the other on the same images."""

    def __init__(self, train: Images, validation: Images | None = None) -> None:
        self.device = device_name()
        self._train = DeviceImages.place(train)
        self._validation = DeviceImages.place(validation) if validation is not None else None
        self._programs: OrderedDict[Any, Program] = OrderedDict()
        self._last: Program | None = None

    def program(self, config: ModelConfig, precision: str) -> Program:
        """The program of this network, traced at the first call with any dropout rate."""
        key = (config.model_copy(update={"dropout": 0.0}), precision)
        if key not in self._programs:
            self._programs[key] = Program(key[0], precision, self._train)
        self._programs.move_to_end(key)
        while len(self._programs) > MAX_PROGRAMS:
            self._programs.popitem(last=False)
        return self._programs[key]

    def run(
        self, model: ModelConfig, train: TrainConfig, report: Report | None = None
    ) -> RunResult:
        """Train one configuration; `report` is called after each epoch and may end the run."""
        precision = resolve_precision(train.precision)
        program = self._last = self.program(model, precision)
        program.reset(train, model.dropout)
        run = _Run(program, model, train, self._train, self._validation)
        stop_reason, diagnosis = run.epochs(report)
        last = run.history[-1]
        return RunResult(
            stop_reason=stop_reason,
            value=last.val_accuracy if stop_reason != "diverged" else None,
            diagnosis=diagnosis,
            history=tuple(run.history),
            epochs_run=len(run.history),
            steps_run=run.steps,
            train_seconds=time.perf_counter() - run.started,
            images_per_second=run.images / run.training_seconds,
            engine=ENGINE,
            precision=precision,
            device=self.device,
            seed=train.seed,
        )

    def weights(self) -> list[np.ndarray]:
        """The trainable weights after the last run, float32, in the order of the network's."""
        if self._last is None:
            raise ValueError("no run has been made yet, so there are no weights")
        return [variable.numpy() for variable in self._last.variables]


class _Sums(NamedTuple):
    """What was summed up over the training steps of an epoch."""

    images: int
    loss: float
    correct: int
    seconds: float


class _Run:
    """One trial on a program: its epochs, its evidence, and when to stop."""

    def __init__(
        self,
        program: Program,
        model: ModelConfig,
        train: TrainConfig,
        images: DeviceImages,
        validation: DeviceImages | None,
    ) -> None:
        self.program, self.model, self.config = program, model, train
        self.count, self.validation = len(images), validation
        self.batch = min(train.batch_size, self.count)
        self.total = math.ceil(self.count / self.batch)  # steps an epoch
        self.sample = next(images.chunks())
        self.entropy = health.label_entropy(images.labels.numpy())
        self.history: list[EpochMetrics] = []
        self.steps, self.images, self.training_seconds = 0, 0, 0.0
        self.started = time.perf_counter()
        self.quiet: Any = np.zeros(len(program.variables), np.int32)
        # Velocity dies away over 1 / (1 - momentum) steps: wait that much longer before looking.
        self.patience = math.ceil(QUIET_STEPS / (1 - train.momentum))

    def epochs(self, report: Report | None) -> tuple[StopReason, Diagnosis]:
        """Train epoch by epoch until the end, or until there is a reason to stop."""
        for epoch in range(1, self.config.epochs + 1):
            metrics, fault = self._epoch(epoch)
            self.history.append(metrics)
            if fault is not None and fault.kind == "non_finite":
                return "diverged", fault
            prune = report(metrics) if report is not None else False
            if fault is not None:
                return "stuck", fault
            if prune and epoch < self.config.epochs:
                return "pruned", health.living(metrics.loss, self.entropy)
        return "completed", health.living(self.history[-1].loss, self.entropy)

    def _epoch(self, epoch: int) -> tuple[EpochMetrics, Diagnosis | None]:
        sums, fault = self._train(epoch)
        self.images += sums.images
        self.training_seconds += sums.seconds
        val_loss, val_accuracy = None, None
        if self.validation is not None:
            val_loss, val_accuracy = self.program.score(self.validation)
        # The last step may have ruined the weights, which no training loss shows any more.
        closing = val_loss if val_loss is not None else self.program.score(self.sample)[0]
        if fault is None and not math.isfinite(closing):
            fault = health.diverged(Moment(epoch, self.total, closing), "loss after the step")
        metrics = EpochMetrics(
            epoch=epoch,
            loss=_finite(sums.loss / sums.images),
            accuracy=sums.correct / sums.images,
            val_loss=_finite(val_loss),
            val_accuracy=val_accuracy,
            images_per_second=sums.images / sums.seconds,
        )
        return metrics, fault

    def _train(self, epoch: int) -> tuple[_Sums, Diagnosis | None]:
        """Train for an epoch, or until there is a fault."""
        order = np.random.default_rng([self.config.seed, epoch]).permutation(self.count)
        step, loss, correct, seconds = 0, 0.0, 0, 0.0
        fault: Diagnosis | None = None
        while step < self.total and fault is None:
            started = time.perf_counter()
            done = self.program.train(order, step, self.batch, self.quiet, self.patience)
            seconds += time.perf_counter() - started
            self.steps += done.step - step
            self.quiet = done.quiet
            step, loss, correct = done.step, loss + done.loss_sum, correct + done.correct
            last = step == self.total and epoch == self.config.epochs
            fault = self._fault(Moment(epoch, step, done.last_loss), 1 if last else self.patience)
        return _Sums(min(step * self.batch, self.count), loss, correct, seconds), fault

    def _fault(self, now: Moment, patience: int) -> Diagnosis | None:
        if not math.isfinite(now.loss):
            return health.diverged(now, "loss")
        quiet = int(self.quiet[0])
        if quiet < patience:
            return None
        diagnosis = health.diagnose_stuck(
            clean=self.program.census(with_dropout=False),
            masked=self.program.census(with_dropout=True) if self.model.dropout > 0 else None,
            onset=self._onset(now, quiet),
            quiet_steps=quiet,
            momentum=self.config.momentum,
            layers_below_dropout=self.program.before_dropout,
            entropy=self.entropy,
        )
        if diagnosis is None:  # silent on these batches, alive on others: look less often
            self.patience = max(self.patience * 2, quiet * 2)
        return diagnosis

    def _onset(self, now: Moment, quiet: int) -> Moment:
        first = (now.epoch - 1) * self.total + now.step - quiet
        return Moment(first // self.total + 1, first % self.total + 1, now.loss)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
