"""One trial on any engine: epoch by epoch until it ends, and then its result. NumPy only.

A run is a generator. It asks for training and evaluations (`fmnist_model.training.protocol`), and
whoever holds its network answers: one run after the other
(`fmnist_model.tensorflow_engine.engine`), or many side by side (`fmnist_model.jax_engine.engine`).
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.diagnosis import Diagnosis
from fmnist_model.training.epoch import EpochTrainer
from fmnist_model.training.inspection import InspectableNetwork
from fmnist_model.training.loss_check import LossCheck
from fmnist_model.training.protocol import Request
from fmnist_model.training.results import (
    EpochMetrics,
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
    images.
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
        self._started = time.perf_counter()
        self._state = RunState(network, model, train, origin, entropy)
        self._rule = StopRule(self._state)
        self._stuck_check = StuckCheck(self._state, self._rule)
        self._loss_check = LossCheck(self._state, self._rule)
        self._trainer = EpochTrainer(self._state, self._stuck_check, self._loss_check, validated)
        self._history: list[EpochMetrics] = []

    def train(self, report: Report | None) -> RunGenerator:
        """Train epoch by epoch until the end, or until there is a reason to stop."""
        stop_reason, diagnosis = yield from self._epochs(report)
        return self._result(stop_reason, diagnosis)

    def _epochs(
        self, report: Report | None
    ) -> Generator[Request, Any, tuple[StopReason, Diagnosis]]:
        epochs = self._state.train.epochs
        for epoch in range(1, epochs + 1):
            metrics, fault = yield from self._trainer.run(epoch)
            self._history.append(metrics)
            if fault is not None and fault.kind == "non_finite":
                return "diverged", fault  # there is nothing to report
            prune = report(metrics) if report is not None else False
            if fault is not None:
                return stop_reason_of(fault.kind), fault
            if self._loss_check.is_to_be_pruned(metrics) or (prune and epoch < epochs):
                return "pruned", self._loss_check.diagnosis(metrics)
        return "completed", self._loss_check.diagnosis(self._history[-1])

    def _result(self, stop_reason: StopReason, diagnosis: Diagnosis) -> RunResult:
        """All that is told of a run that has ended."""
        # Nothing can be said of the units of weights that are not finite.
        known = diagnosis.kind != "non_finite"
        origin = self._state.origin
        return RunResult(
            stop_reason=stop_reason,
            value=self._history[-1].val_accuracy if stop_reason != "diverged" else None,
            diagnosis=diagnosis,
            history=tuple(self._history),
            epochs_run=len(self._history),
            steps_run=self._state.steps,
            train_seconds=time.perf_counter() - self._started,
            images_per_second=self._trainer.images / self._trainer.seconds,
            engine=origin.engine,
            precision=origin.precision,
            device=origin.device,
            seed=self._state.train.seed,
            dead_fraction=self._state.vital_signs().dead_fraction if known else {},
            checks=tuple(self._stuck_check.checks),
            recorded=self._rule.recorded(),
        )
