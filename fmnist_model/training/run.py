"""One trial on any engine: epoch by epoch until it ends, and then its result. NumPy only.

A run is a generator. It asks for training and evaluations (`fmnist_model.training.protocol`), and
whoever holds its network answers: one run after the other
(`fmnist_model.tensorflow_engine.engine`), or many side by side (`fmnist_model.jax_engine.engine`).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.diagnosis import Diagnosis
from fmnist_model.training.checkpoint import Checkpoint, NetworkState
from fmnist_model.training.epoch import EpochTrainer
from fmnist_model.training.inspection import InspectableNetwork
from fmnist_model.training.loss_check import LossCheck
from fmnist_model.training.protocol import Request
from fmnist_model.training.results import (
    Origin,
    Report,
    RunResult,
    StopReason,
    stop_reason_of,
)
from fmnist_model.training.run_state import RunState
from fmnist_model.training.stop_rule import StopRule
from fmnist_model.training.stuck_check import StuckCheck

RunGenerator = Generator[Request, Any, RunResult]
"""Yields requests and is sent the reply to each, whose type depends on the request; returns the
result."""


class TrialRun:
    """One trial on a network.

    `entropy` is that of the training labels, in nats; `validated` says whether there are validation
    images. `start` is the checkpoint from which the run is continued; the network has to be given
    its state. Raises CheckpointError if it is that of another run.
    """

    def __init__(
        self,
        network: InspectableNetwork,
        model: ModelConfig,
        train: TrainConfig,
        origin: Origin,
        entropy: float,
        validated: bool,
        start: Checkpoint | None = None,
    ) -> None:
        self._started = time.perf_counter()
        counts = copy.deepcopy(start.counts) if start is not None else None
        self._state = RunState(network, model, train, origin, entropy, counts)
        if start is not None:
            start.check(self._state.settings, train)
        self._continued_from = len(self._state.counts.history)
        self._rule = StopRule(self._state)
        self._stuck_check = StuckCheck(self._state, self._rule)
        self._loss_check = LossCheck(self._state, self._rule)
        self._trainer = EpochTrainer(self._state, self._stuck_check, self._loss_check, validated)

    def train(self, report: Report | None) -> RunGenerator:
        """Train epoch by epoch until the end, or until there is a reason to stop.

        `report` is called after each epoch that is trained, and not for those before `start`.
        """
        stop_reason, diagnosis = yield from self._epochs(report)
        return self._result(stop_reason, diagnosis)

    def _epochs(
        self, report: Report | None
    ) -> Generator[Request, Any, tuple[StopReason, Diagnosis]]:
        epochs, history = self._state.train.epochs, self._state.counts.history
        for epoch in range(self._continued_from + 1, epochs + 1):
            metrics, fault = yield from self._trainer.run(epoch)
            history.append(metrics)
            if fault is not None and fault.kind == "non_finite":
                return "diverged", fault  # there is nothing to report
            prune = report(metrics) if report is not None else False
            if fault is not None:
                return stop_reason_of(fault.kind), fault
            if self._loss_check.is_to_be_pruned(metrics) or (prune and epoch < epochs):
                return "pruned", self._loss_check.diagnosis(metrics)
        return "completed", self._loss_check.diagnosis(history[-1])

    def _result(self, stop_reason: StopReason, diagnosis: Diagnosis) -> RunResult:
        """All that is told of a run that has ended."""
        # Nothing can be said of the units of weights that are not finite.
        known = diagnosis.kind != "non_finite"
        origin, counts = self._state.origin, self._state.counts
        return RunResult(
            stop_reason=stop_reason,
            value=counts.history[-1].val_accuracy if stop_reason != "diverged" else None,
            diagnosis=diagnosis,
            history=tuple(counts.history),
            epochs_run=len(counts.history),
            steps_run=counts.steps,
            train_seconds=counts.earlier_seconds + time.perf_counter() - self._started,
            images_per_second=counts.images / counts.step_seconds,
            engine=origin.engine,
            precision=origin.precision,
            device=origin.device,
            seed=self._state.train.seed,
            dead_fraction=self._state.vital_signs().dead_fraction if known else {},
            checks=tuple(self._stuck_check.checks),
            recorded=self._rule.recorded(),
            continued_from=self._continued_from,
            earlier_seconds=counts.earlier_seconds,
        )

    def with_checkpoint(self, result: RunResult, network: Callable[[], NetworkState]) -> RunResult:
        """The result of this run with its checkpoint, where it can be continued.

        `network` returns the state of the network as it is now.
        """
        constant = self._state.train.schedule == "constant"
        # One that was recorded as stuck is only compared with its own weights at that time.
        if result.stop_reason != "completed" or self._rule.pending is not None or not constant:
            return result
        counts = replace(self._state.counts, earlier_seconds=result.train_seconds)
        kept = Checkpoint(self._state.settings, counts, network())
        return replace(result, checkpoint=kept)
