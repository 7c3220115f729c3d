"""An epoch of a run: asks the engine for training and an evaluation, and checks the replies."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fmnist_model.diagnosis import Diagnosis, Moment, diverged
from fmnist_model.training.loss_check import LossCheck
from fmnist_model.training.lr_schedule import learning_rates
from fmnist_model.training.protocol import EvalReply, EvalRequest, Request, TrainReply, TrainRequest
from fmnist_model.training.run_counts import EpochMetrics
from fmnist_model.training.run_state import RunState
from fmnist_model.training.stuck_check import StuckCheck


@dataclass
class TrainSums:
    """What is summed up over training steps: images, their losses, correct ones, and seconds."""

    images: int = 0
    loss: float = 0.0
    correct: int = 0
    seconds: float = 0.0


class EpochTrainer:
    """Trains a run epoch by epoch. `validated` says whether there are validation images."""

    def __init__(
        self, state: RunState, stuck_check: StuckCheck, loss_check: LossCheck, validated: bool
    ) -> None:
        self._state, self._stuck_check, self._loss_check = state, stuck_check, loss_check
        self._validated = validated
        self._rates = learning_rates(state.train, state.train.epochs * state.steps_per_epoch)

    def run(self, epoch: int) -> Generator[Request, Any, tuple[EpochMetrics, Diagnosis | None]]:
        """Train for an epoch, from 1; its metrics, and a reason to stop the run, else None."""
        sums, fault = yield from self._train(epoch)
        self._state.counts.images += sums.images
        self._state.counts.step_seconds += sums.seconds
        # The last step may have ruined the weights, which no training loss shows any more.
        evaluated: EvalReply = yield EvalRequest()
        if fault is None:
            closing = Moment(epoch, self._state.steps_per_epoch, evaluated[0])
            fault = self._loss_check.fault(closing)
        return self._metrics(epoch, sums, *evaluated), fault

    def _metrics(self, epoch: int, sums: TrainSums, loss: float, accuracy: float) -> EpochMetrics:
        return EpochMetrics(
            epoch=epoch,
            loss=_finite(sums.loss / sums.images),
            accuracy=sums.correct / sums.images,
            val_loss=_finite(loss) if self._validated else None,
            val_accuracy=accuracy if self._validated else None,
            images_per_second=sums.images / sums.seconds,
        )

    def _train(self, epoch: int) -> Generator[Request, Any, tuple[TrainSums, Diagnosis | None]]:
        """Train to the end of the epoch, or until there is a reason to stop."""
        state, sums = self._state, TrainSums()
        state.network.show(epoch, state.train)
        rates = self._rates[(epoch - 1) * state.steps_per_epoch : epoch * state.steps_per_epoch]
        step, fault = 0, None
        while step < state.steps_per_epoch and fault is None:
            started = time.perf_counter()
            reply: TrainReply = yield self._request(rates, step)
            sums.seconds += time.perf_counter() - started
            state.advance(step, reply)
            step = reply.step
            sums.loss += reply.loss_sum
            sums.correct += reply.correct
            fault = self._fault(Moment(epoch, step, reply.last_loss))
        sums.images = min(step * state.batch, state.images)
        return sums, fault

    def _request(self, rates: np.ndarray, step: int) -> TrainRequest:
        state = self._state
        return TrainRequest(
            rates,
            step,
            state.batch,
            state.counts.gradients.zero_grad_steps,
            state.counts.steps_above_ceiling,
            state.counts.gradients.next_check,
        )

    def _fault(self, now: Moment) -> Diagnosis | None:
        """A reason to stop the run after a training step."""
        state = self._state
        if math.isfinite(now.loss):
            last = now.step == state.steps_per_epoch and now.epoch == state.train.epochs
            return self._stuck_check.fault(now, last)
        batch = slice((now.step - 1) * state.batch, now.step * state.batch)
        return diverged(now, "loss", *state.network.non_finite(batch))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
