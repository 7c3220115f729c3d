"""The TensorFlow engine: data on the device, one compiled program an epoch, reused across trials.

    engine = Engine(train, validation)
    result = engine.run(ModelConfig(activation="relu"), TrainConfig(learning_rate=0.2))

There is one program (`fmnist_model.program`) for each network, kept for the next trial.
"""

from __future__ import annotations

import math
import sys
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fmnist_model import health
from fmnist_model.census import Census
from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.data import Images
from fmnist_model.device import device_name, resolve_precision
from fmnist_model.explain import WORST, label_entropy
from fmnist_model.health import Diagnosis, Evidence, Moment
from fmnist_model.program import DeviceImages, Program
from fmnist_model.results import EpochMetrics, Look, Recorded, Report, RunResult, StopReason
from fmnist_model.schedule import learning_rates

ENGINE = "tensorflow"
QUIET_STEPS = 5
"""Steps in a row with an exactly zero first gradient after which a census is taken."""
EXPLODED_EPOCHS = 2
"""Epochs in a row that end with a finite but absurd loss after which a run has exploded."""
ROUNDING = {"float32": 2.0**-10, "bfloat16": 2.0**-6}
"""How near to opening a unit may come, as a share of its greatest pre-activation, before another
order of summation might open it. A GPU chooses the order by the batch size; on a CPU an image's
outputs are the same to the last bit in batches of any size but 1."""
MAX_PROGRAMS = 16
"""Programs kept; the least recently used goes first."""


class Engine:
    """Trains configurations one after the other on the same images."""

    def __init__(self, train: Images, validation: Images | None = None) -> None:
        self.device = device_name()
        self._train = DeviceImages.place(train)
        self._validation = DeviceImages.place(validation) if validation is not None else None
        self._programs: OrderedDict[Any, Program] = OrderedDict()
        self.last: Program | None = None
        """The program of the last run, with its weights as they were then."""

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
        self,
        model: ModelConfig,
        train: TrainConfig,
        report: Report | None = None,
        weights: Sequence[np.ndarray] | None = None,
    ) -> RunResult:
        """Train one configuration; `report` is called after each epoch and may end the run.

        With `weights`, as `weights()` returned them, it goes on from those.
        """
        precision = resolve_precision(train.precision)
        program = self.last = self.program(model, precision)
        program.reset(train, model.dropout)
        if weights is not None:
            for variable, value in zip(program.state, weights, strict=True):
                variable.assign(value)
        run = _Run(
            program,
            model,
            train,
            self._train,
            self._validation,
            self._rounding(precision, train.batch_size),
        )
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
            # Of weights that are not finite nothing can be said.
            dead_fraction={}
            if diagnosis.kind == "non_finite"
            else program.vital_signs().dead_fraction,
            looks=tuple(run.looks),
            recorded=run.recorded(),
        )

    def _rounding(self, precision: str, batch_size: int) -> float:
        batch = min(batch_size, len(self._train))
        single = batch == 1 or len(self._train) % batch == 1
        return ROUNDING[precision] if single or not self.device.startswith("CPU") else 0.0

    def weights(self) -> list[np.ndarray]:
        """The weights after the last run, float32, in the order of `network.state_variables`."""
        if self.last is None:
            raise ValueError("no run has been made yet, so there are no weights")
        return [variable.numpy() for variable in self.last.state]


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
        rounding: float,
    ) -> None:
        self.program, self.model, self.config = program, model, train
        self.count, self.validation, self.rounding = len(images), validation, rounding
        self.batch = min(train.batch_size, self.count)
        self.total = math.ceil(self.count / self.batch)  # steps an epoch
        self.sample = next(images.chunks())
        self.entropy = label_entropy(images.labels.numpy())
        self.history: list[EpochMetrics] = []
        self.steps, self.images, self.training_seconds = 0, 0, 0.0
        self.started = time.perf_counter()
        self.rates = learning_rates(train, train.epochs * self.total)
        self.ways_out = _ways_out(model, train)
        # Where there may be a way out, more silence is asked for before looking.
        unproved = math.ceil(health.SILENT_IMAGES / self.batch)
        ways_out = model.dropout > 0 or train.momentum > 0 or self.ways_out
        self.watch = _Watch(max(QUIET_STEPS, unproved) if ways_out else QUIET_STEPS)
        self.looks: list[Look] = []
        self.absurd = self.exploded_epochs = self.saturated_epochs = 0
        self.verdict: _Verdict | None = None

    def epochs(self, report: Report | None) -> tuple[StopReason, Diagnosis]:
        """Train epoch by epoch until the end, or until there is a reason to stop."""
        for epoch in range(1, self.config.epochs + 1):
            metrics, fault = self._epoch(epoch)
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

    def recorded(self) -> Recorded | None:
        """What came of the run after it would have been stopped; None where it was not to be."""
        return self.verdict.outcome(self) if self.verdict is not None else None

    def _epoch(self, epoch: int) -> tuple[EpochMetrics, Diagnosis | None]:
        sums, fault = self._train(epoch)
        self.images += sums.images
        self.training_seconds += sums.seconds
        val_loss, val_accuracy = None, None
        if self.validation is not None:
            val_loss, val_accuracy = self.program.score(self.validation)
        # The last step may have ruined the weights, which no training loss shows any more.
        closing = val_loss if val_loss is not None else self.program.score(self.sample)[0]
        if fault is None:
            fault = self._ruined(Moment(epoch, self.total, closing))
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
        self.program.show(epoch, self.config)
        rates = self.rates[(epoch - 1) * self.total : epoch * self.total]
        step, loss, correct, seconds = 0, 0.0, 0, 0.0
        fault: Diagnosis | None = None
        while step < self.total and fault is None:
            started = time.perf_counter()
            done = self.program.train(
                rates, step, self.batch, self.watch.quiet, self.absurd, self.watch.next_look
            )
            seconds += time.perf_counter() - started
            self.steps += done.step - step
            self.watch.after(done.step - step, done.quiet)
            self.absurd = done.absurd
            step, loss, correct = done.step, loss + done.loss_sum, correct + done.correct
            now = Moment(epoch, step, done.last_loss)
            if not math.isfinite(now.loss):
                batch = slice((step - 1) * self.batch, step * self.batch)
                fault = health.diverged(now, "loss", *self.program.non_finite(batch))
            else:
                fault = self._stuck(now, step == self.total and epoch == self.config.epochs)
        return _Sums(min(step * self.batch, self.count), loss, correct, seconds), fault

    def _stuck(self, now: Moment, last: bool) -> Diagnosis | None:
        """Look at a silent run, at its very end too; a reason to stop it, or None."""
        if not self.watch.due(last):
            return None
        started = time.perf_counter()
        evidence = self._evidence(now)
        diagnosis = health.diagnose_stuck(evidence)
        self.watch.looked(diagnosis is not None)
        enough = diagnosis is not None and health.is_enough(diagnosis, evidence)
        self.looks.append(
            Look(
                now.epoch,
                now.step,
                self.watch.quiet,
                diagnosis.kind if diagnosis is not None else None,
                diagnosis.layer if diagnosis is not None else None,
                diagnosis.certain if diagnosis is not None else False,
                enough,
                time.perf_counter() - started,
            )
        )
        if diagnosis is None or not enough:
            return None
        if now.loss > WORST:  # what died of an explosion is called exploded, not stuck
            onset = self._onset(now, max(self.absurd, 1))
            diagnosis = health.exploded(onset, self.program.vital_signs(), diagnosis)
        return self._stop(diagnosis, now)

    def _stop(self, diagnosis: Diagnosis, now: Moment) -> Diagnosis | None:
        """The diagnosis, or None where it is to be recorded alone."""
        if self.config.on_stuck == "stop":
            return diagnosis
        if self.verdict is None:
            self.verdict = _Verdict(self, diagnosis, now)
        return None

    def _evidence(self, now: Moment) -> Evidence:
        coasted: Census | None = None
        if self.config.momentum > 0:
            with self.program.coasted(self.config.learning_rate):
                coasted = self.program.census()
        return Evidence(
            census=self.program.census(),
            coasted=coasted,
            onset=self._onset(now, self.watch.quiet),
            quiet_steps=self.watch.quiet,
            quiet_images=self.watch.quiet * self.batch,
            before_dropout=self.program.before_dropout if self.model.dropout > 0 else None,
            other_ways_out=self.ways_out,
            rounding=self.rounding,
            entropy=self.entropy,
        )

    def _onset(self, now: Moment, steps: int) -> Moment:
        """The first of the last `steps` steps."""
        first = (now.epoch - 1) * self.total + now.step - steps
        return Moment(first // self.total + 1, first % self.total + 1, now.loss)

    def _ruined(self, closing: Moment) -> Diagnosis | None:
        """Has the loss after the epoch's last step become absurd, or is it none at all?"""
        if not math.isfinite(closing.loss):
            origin = self.program.non_finite(slice(len(self.sample)))
            return health.diverged(closing, "loss after the step", *origin)
        self.exploded_epochs = self.exploded_epochs + 1 if closing.loss > WORST else 0
        if self.exploded_epochs < EXPLODED_EPOCHS:
            return None
        onset = self._onset(closing, max(self.absurd, 1))
        return self._stop(health.exploded(onset, self.program.vital_signs()), closing)

    def _saturated(self, metrics: EpochMetrics) -> bool:
        """Has the run been saturated for so many epochs that the configuration wants it pruned?"""
        if self.config.saturated_patience is None:
            return False
        saturated = self._living(metrics).kind == "saturated"
        self.saturated_epochs = self.saturated_epochs + 1 if saturated else 0
        return self.saturated_epochs >= self.config.saturated_patience

    def _living(self, metrics: EpochMetrics) -> Diagnosis:
        if self.verdict is not None:
            return self.verdict.diagnosis
        # A mean beyond all floats, of losses within: JSON has no infinity.
        loss = metrics.loss if metrics.loss is not None else sys.float_info.max
        now = Moment(metrics.epoch, self.total, loss)
        return health.living(now, self.entropy, self.program.vital_signs())


class _Watch:
    """Counts silent steps, and says when to look: after `patience` of them, then twice as many.

    A stretch of silence that proves to be alive makes the whole run be looked at less often, so
    that flicker costs little.
    """

    def __init__(self, patience: int) -> None:
        self.quiet = 0
        self.patience = self.next_look = patience

    def after(self, steps: int, quiet: int) -> None:
        """So many steps were made; the last `quiet` steps of the run were silent."""
        if quiet < self.quiet + steps:  # a signal came through: a new stretch
            self.next_look = self.patience
        self.quiet = quiet

    def due(self, last: bool) -> bool:
        """Is it time to look, at the `last` step of a run whatever the patience?"""
        return self.quiet >= (1 if last else self.next_look)

    def looked(self, dead: bool) -> None:
        """Remember what a look found."""
        self.next_look = 2 * max(self.quiet, self.next_look)
        if not dead:
            self.patience = self.next_look


class _Verdict:
    """Why and when a run would have been stopped, and its weights then."""

    def __init__(self, run: _Run, diagnosis: Diagnosis, now: Moment) -> None:
        self.diagnosis, self.now = diagnosis, now
        self.steps, self.quiet = run.steps, run.watch.quiet
        self.weights = [variable.numpy() for variable in self._frozen(run)]

    def _frozen(self, run: _Run) -> list[Any]:
        if self.diagnosis.layer is None:
            return list(run.program.variables)
        layers = run.program.layers
        frozen = layers[: layers.index(self.diagnosis.layer) + 1]
        frozen += [f"{layer}_normalization" for layer in frozen]
        return [v for v in run.program.variables if v.path.split("/")[-2] in frozen]

    def outcome(self, run: _Run) -> Recorded:
        pairs = zip(self.weights, self._frozen(run), strict=True)
        moved = any(not np.array_equal(then, now.numpy()) for then, now in pairs)
        revived = run.watch.quiet < self.quiet + run.steps - self.steps
        return Recorded(self.now.epoch, self.now.step, revived, moved)


def _ways_out(model: ModelConfig, train: TrainConfig) -> tuple[str, ...]:
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
