"""One trial of any engine: its epochs, its evidence, when to stop, and what came of it.

A run asks for training and for scores, and whoever holds its network answers: one run after the
other (`fmnist_model.tensorflow_engine.engine`), or many side by side
(`fmnist_model.jax_engine.engine`).
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Generator
from typing import Any, NamedTuple

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.diagnosis import diagnose
from fmnist_model.diagnosis.census import Census
from fmnist_model.diagnosis.diagnose import Diagnosis, Evidence, Moment, VitalSigns
from fmnist_model.diagnosis.frozen_loss import LOSS_CEILING
from fmnist_model.training.inspection import CHUNK, InspectableNetwork
from fmnist_model.training.lr_schedule import learning_rates
from fmnist_model.training.monitor import GradientMonitor, PendingStop
from fmnist_model.training.protocol import EvalRequest, Request, TrainReply, TrainRequest
from fmnist_model.training.results import (
    Check,
    EpochMetrics,
    Recorded,
    Report,
    RunResult,
    StopReason,
)

ZERO_GRAD_STEPS = 5
"""Steps in a row with an exactly zero first gradient after which a census is taken."""
EXPLODED_EPOCHS = 2
"""Epochs in a row that end with a finite but absurd loss after which a run has exploded."""
ROUNDING = {"float32": 2.0**-10, "bfloat16": 2.0**-6}
"""How near to opening a unit may come, as a share of its greatest pre-activation, before another
order of summation might open it. A GPU chooses the order by the batch size; on a CPU an image's
outputs are the same to the last bit in batches of any size but 1."""


RunGenerator = Generator[Request, Any, RunResult]


class Origin(NamedTuple):
    """Where a result comes from."""

    engine: str
    precision: str
    device: str


class _Sums(NamedTuple):
    """What was summed up over the training steps of an epoch."""

    images: int
    loss: float
    correct: int
    seconds: float


class TrialRun:
    """One trial on a network: its epochs, its evidence, and when to stop.

    `entropy` is that of the training labels; `validated` says whether there are validation images.
    """

    def __init__(
        self,
        network: InspectableNetwork,
        model: ModelConfig,
        train: TrainConfig,
        origin: Origin,
        entropy: float,
        validated: bool,
    ) -> None:
        self.network, self.model, self.config, self.origin = network, model, train, origin
        self.count, self.entropy, self.validated = network.images, entropy, validated
        self.batch = min(train.batch_size, self.count)
        self.total = math.ceil(self.count / self.batch)  # steps an epoch
        self.history: list[EpochMetrics] = []
        self.steps, self.images, self.training_seconds = 0, 0, 0.0
        self.started = time.perf_counter()
        self.rates = learning_rates(train, train.epochs * self.total)
        self.recovery_paths = _recovery_paths(model, train)
        # Where there may be a way out, more silence is asked for before looking.
        unproved = math.ceil(diagnose.ZERO_GRAD_IMAGES / self.batch)
        recovery_paths = model.dropout > 0 or train.momentum > 0 or self.recovery_paths
        self.monitor = GradientMonitor(
            max(ZERO_GRAD_STEPS, unproved) if recovery_paths else ZERO_GRAD_STEPS
        )
        self.checks: list[Check] = []
        self.steps_above_ceiling = self.exploded_epochs = self.saturated_epochs = 0
        self.pending_stop: PendingStop | None = None
        self._taken: tuple[int, VitalSigns] | None = None

    def train(self, report: Report | None) -> RunGenerator:
        """Train epoch by epoch until the end, or until there is a reason to stop."""
        stop_reason, diagnosis = yield from self._epochs(report)
        return RunResult(
            stop_reason=stop_reason,
            value=self.history[-1].val_accuracy if stop_reason != "diverged" else None,
            diagnosis=diagnosis,
            history=tuple(self.history),
            epochs_run=len(self.history),
            steps_run=self.steps,
            train_seconds=time.perf_counter() - self.started,
            images_per_second=self.images / self.training_seconds,
            engine=self.origin.engine,
            precision=self.origin.precision,
            device=self.origin.device,
            seed=self.config.seed,
            # Of weights that are not finite nothing can be said.
            dead_fraction={} if diagnosis.kind == "non_finite" else self._signs().dead_fraction,
            checks=tuple(self.checks),
            recorded=self._outcome(),
        )

    def _epochs(
        self, report: Report | None
    ) -> Generator[Request, Any, tuple[StopReason, Diagnosis]]:
        for epoch in range(1, self.config.epochs + 1):
            metrics, fault = yield from self._epoch(epoch)
            self.history.append(metrics)
            if fault is not None and fault.kind == "non_finite":
                return "diverged", fault
            prune = report(metrics) if report is not None else False
            if fault is not None:
                return _STOP_REASONS[fault.kind], fault
            last = epoch == self.config.epochs
            if self._saturated(metrics) or (prune and not last):
                return "pruned", self._living(metrics)
        return "completed", self._living(self.history[-1])

    def _epoch(self, epoch: int) -> Generator[Request, Any, tuple[EpochMetrics, Diagnosis | None]]:
        sums, fault = yield from self._train(epoch)
        self.images += sums.images
        self.training_seconds += sums.seconds
        # The last step may have ruined the weights, which no training loss shows any more.
        loss, accuracy = yield EvalRequest()
        if fault is None:
            fault = self._ruined(Moment(epoch, self.total, loss))
        metrics = EpochMetrics(
            epoch=epoch,
            loss=_finite(sums.loss / sums.images),
            accuracy=sums.correct / sums.images,
            val_loss=_finite(loss) if self.validated else None,
            val_accuracy=accuracy if self.validated else None,
            images_per_second=sums.images / sums.seconds,
        )
        return metrics, fault

    def _train(self, epoch: int) -> Generator[Request, Any, tuple[_Sums, Diagnosis | None]]:
        """Train for an epoch, or until there is a fault."""
        self.network.show(epoch, self.config)
        rates = self.rates[(epoch - 1) * self.total : epoch * self.total]
        step, loss, correct, seconds = 0, 0.0, 0, 0.0
        fault: Diagnosis | None = None
        while step < self.total and fault is None:
            started = time.perf_counter()
            done: TrainReply = yield TrainRequest(
                rates,
                step,
                self.batch,
                self.monitor.zero_grad_steps,
                self.steps_above_ceiling,
                self.monitor.next_check,
            )
            seconds += time.perf_counter() - started
            self.steps += done.step - step
            self.monitor.after(done.step - step, done.zero_grad_steps)
            self.steps_above_ceiling = done.steps_above_ceiling
            step, loss, correct = done.step, loss + done.loss_sum, correct + done.correct
            now = Moment(epoch, step, done.last_loss)
            if not math.isfinite(now.loss):
                batch = slice((step - 1) * self.batch, step * self.batch)
                fault = diagnose.diverged(now, "loss", *self.network.non_finite(batch))
            else:
                fault = self._stuck(now, step == self.total and epoch == self.config.epochs)
        return _Sums(min(step * self.batch, self.count), loss, correct, seconds), fault

    def _stuck(self, now: Moment, last: bool) -> Diagnosis | None:
        """Look at a silent run, at its very end too; a reason to stop it, or None."""
        if not self.monitor.check_due(last):
            return None
        started = time.perf_counter()
        evidence = self._evidence(now)
        diagnosis = diagnose.diagnose_stuck(evidence)
        self.monitor.record_check(diagnosis is not None)
        enough = diagnosis is not None and diagnose.is_enough(diagnosis, evidence)
        self.checks.append(
            Check(
                now.epoch,
                now.step,
                self.monitor.zero_grad_steps,
                diagnosis.kind if diagnosis is not None else None,
                diagnosis.layer if diagnosis is not None else None,
                diagnosis.certain if diagnosis is not None else False,
                enough,
                time.perf_counter() - started,
            )
        )
        if diagnosis is None or not enough:
            return None
        if now.loss > LOSS_CEILING:  # what died of an explosion is called exploded, not stuck
            onset = self._onset(now, max(self.steps_above_ceiling, 1))
            diagnosis = diagnose.exploded(onset, self._signs(), diagnosis)
        return self._stop(diagnosis, now)

    def _stop(self, diagnosis: Diagnosis, now: Moment) -> Diagnosis | None:
        """The diagnosis, or None where it is to be recorded alone."""
        if self.config.on_stuck == "stop":
            return diagnosis
        if self.pending_stop is None:
            zero_grad_steps = self.monitor.zero_grad_steps
            self.pending_stop = PendingStop(
                self.network, diagnosis, now, self.steps, zero_grad_steps
            )
        return None

    def _outcome(self) -> Recorded | None:
        if self.pending_stop is None:
            return None
        return self.pending_stop.outcome(self.steps, self.monitor.zero_grad_steps)

    def _evidence(self, now: Moment) -> Evidence:
        after_momentum: Census | None = None
        if self.config.momentum > 0:
            with self.network.after_momentum(self.config.learning_rate):
                after_momentum = self.network.census()
        return Evidence(
            census=self.network.census(),
            after_momentum=after_momentum,
            onset=self._onset(now, self.monitor.zero_grad_steps),
            zero_grad_steps=self.monitor.zero_grad_steps,
            zero_grad_images=self.monitor.zero_grad_steps * self.batch,
            before_dropout=self.network.before_dropout if self.model.dropout > 0 else None,
            other_recovery_paths=self.recovery_paths,
            rounding=self._rounding(),
            entropy=self.entropy,
        )

    def _rounding(self) -> float:
        single = self.batch == 1 or self.count % self.batch == 1
        bitwise = self.origin.engine == "tensorflow" and self.origin.device.startswith("CPU")
        return 0.0 if bitwise and not single else ROUNDING[self.origin.precision]

    def _onset(self, now: Moment, steps: int) -> Moment:
        """The first of the last `steps` steps."""
        first = (now.epoch - 1) * self.total + now.step - steps
        return Moment(first // self.total + 1, first % self.total + 1, now.loss)

    def _ruined(self, closing: Moment) -> Diagnosis | None:
        """Has the loss after the epoch's last step become absurd, or is it none at all?"""
        if not math.isfinite(closing.loss):
            origin = self.network.non_finite(slice(CHUNK))
            return diagnose.diverged(closing, "loss after the step", *origin)
        self.exploded_epochs = self.exploded_epochs + 1 if closing.loss > LOSS_CEILING else 0
        if self.exploded_epochs < EXPLODED_EPOCHS:
            return None
        onset = self._onset(closing, max(self.steps_above_ceiling, 1))
        return self._stop(diagnose.exploded(onset, self._signs()), closing)

    def _saturated(self, metrics: EpochMetrics) -> bool:
        """Has the run been saturated for so many epochs that the configuration wants it pruned?"""
        if self.config.saturated_patience is None:
            return False
        saturated = self._living(metrics).kind == "saturated"
        self.saturated_epochs = self.saturated_epochs + 1 if saturated else 0
        return self.saturated_epochs >= self.config.saturated_patience

    def _signs(self) -> VitalSigns:
        """The vital signs, taken once after the same steps."""
        if self._taken is None or self._taken[0] != self.steps:
            self._taken = (self.steps, self.network.vital_signs())
        return self._taken[1]

    def _living(self, metrics: EpochMetrics) -> Diagnosis:
        if self.pending_stop is not None:
            return self.pending_stop.diagnosis
        # A mean beyond all floats, of losses within: JSON has no infinity.
        loss = metrics.loss if metrics.loss is not None else sys.float_info.max
        now = Moment(metrics.epoch, self.total, loss)
        return diagnose.living(now, self.entropy, self._signs())


def _recovery_paths(model: ModelConfig, train: TrainConfig) -> tuple[str, ...]:
    """What might revive any dead layer, dropout and momentum apart."""
    ways = {
        "the statistics of another batch": model.batch_normalization,
        "weight decay": train.weight_decay > 0,
        "another flip or shift": train.flip or train.shift > 0,
    }
    return tuple(way for way, there in ways.items() if there)


_STOP_REASONS: dict[str, StopReason] = {
    "dead_output": "stuck",
    "dead_layer": "stuck",
    "exploded": "diverged",
}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
