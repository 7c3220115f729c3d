"""Slots that train together: what they hold, and what their trials have requested. JAX only.

    group.submit(slot, request); group.dispatch(); group.collect(); reply = group.take_reply(slot)

Between `dispatch` and `collect` the device works by itself, and the host may do something else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.jax_engine.inference import Score
from fmnist_model.jax_engine.losses import OUTPUTS
from fmnist_model.jax_engine.state import (
    AnyArray,
    Controls,
    DeviceControls,
    DeviceWeights,
    HostArray,
    HostControls,
)
from fmnist_model.jax_engine.trainer import VmappedTrainer
from fmnist_model.training import (
    EvalRequest,
    NetworkState,
    Reply,
    Request,
    TrainReply,
    TrainRequest,
)


class SlotGroup:
    """As many slots as the trainer has; their calls begin and end together."""

    def __init__(self, trainer: VmappedTrainer) -> None:
        self.trainer = trainer
        self._weights = trainer.empty_weights()
        self._permutations = trainer.empty_permutations()
        self._controls = Controls.idle(trainer.slots)
        self._rates = np.zeros((trainer.slots, trainer.steps_per_epoch), np.float32)
        self._requests: dict[int, Request] = {}
        self._replies: dict[int, Reply] = {}
        self._pending: Callable[[], None] | None = None

    @property
    def busy(self) -> bool:
        """Has something been dispatched that has not been collected?"""
        return self._pending is not None

    def start_trial(
        self,
        slot: int,
        model: ModelConfig,
        train: TrainConfig,
        weights: Sequence[AnyArray] | None = None,
    ) -> None:
        """Start a trial in a slot, with these weights, or with those that its seed draws."""
        self.collect()
        self._weights = self.trainer.start_trial(self._weights, slot, model, train, weights)
        self._controls.momentum[slot] = train.momentum
        self._controls.weight_decay[slot] = train.weight_decay
        self._controls.output[slot] = OUTPUTS.index(model.output_activation)

    def set_permutation(self, slot: int, permutation: HostArray) -> None:
        """Set the order, an integer for each image, in which a slot's next epoch takes them."""
        self._permutations = self.trainer.set_permutation(self._permutations, slot, permutation)

    def weights(self, slot: int) -> DeviceWeights:
        """One slot's weights, on the device."""
        return self.trainer.read(self._weights, slot)

    def snapshot(self, slot: int) -> NetworkState:
        """All that training has made of a slot's network."""
        return self.trainer.network.snapshot(self.weights(slot))

    def restore(self, slot: int, kept: NetworkState) -> None:
        """Let the trial that was started in a slot go on from a snapshot."""
        self.collect()
        restored = self.trainer.network.restored(self.weights(slot), kept)
        self._weights = self.trainer.write(self._weights, slot, restored)

    def submit(self, slot: int, request: Request) -> None:
        """Note what a slot's trial requests; the next dispatch begins it."""
        self.collect()  # a dispatched call reads the controls, and its end replaces them
        self._requests[slot] = request
        if isinstance(request, TrainRequest):
            self._set_controls(slot, request)

    def _set_controls(self, slot: int, request: TrainRequest) -> None:
        self._rates[slot] = request.rates
        controls = self._controls
        controls.step[slot], controls.end[slot] = request.first, self.trainer.steps_per_epoch
        controls.zero_grad_steps[slot] = request.zero_grad_steps
        controls.steps_above_ceiling[slot] = request.steps_above_ceiling
        controls.patience[slot], controls.correct[slot] = request.patience, 0
        controls.loss_sum[slot] = controls.last_loss[slot] = 0

    def has_reply(self, slot: int) -> bool:
        """Is there a reply to what a slot's trial requested?"""
        return slot in self._replies

    def take_reply(self, slot: int) -> Reply:
        """Return that reply, once."""
        return self._replies.pop(slot)

    def release(self, slot: int) -> None:
        """Leave a slot idle: its trial has ended, or been given up."""
        self.collect()
        self._make_idle(slot)
        self._requests.pop(slot, None)
        self._replies.pop(slot, None)

    def dispatch(self) -> None:
        """Begin what the trials have requested: scores, if any did, else some training steps."""
        scored = [slot for slot, each in self._requests.items() if isinstance(each, EvalRequest)]
        if scored:
            outputs = self._controls.output
            scores = [self.trainer.evaluate(self._weights, s, outputs[s]) for s in scored]
            self._pending = partial(self._reply_scores, scored, scores)
        elif self._requests:
            self._pending = partial(self._reply_steps, self._train(self._controls))

    def collect(self) -> None:
        """Wait for what was dispatched, if anything was, and reply to the trials that are done."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending()

    def dispatch_all(self) -> DeviceControls:
        """Train all slots from the beginning of their epochs; return what to wait for.

        For measuring the speed, while no slot has a trial.
        """
        controls = Controls.idle(self.trainer.slots)
        controls.end[:], controls.patience[:] = self.trainer.steps_per_epoch, 2**30
        return self._train(controls)

    def _train(self, controls: HostControls) -> DeviceControls:
        self._weights, after = self.trainer.train(
            self._weights, controls, self._rates, self._permutations
        )
        return after

    def _reply_scores(self, slots: Sequence[int], scores: Sequence[Score]) -> None:
        count = len(self.trainer.validation_images.labels)
        for slot, (loss, correct) in zip(slots, jax.device_get(scores), strict=True):
            self._reply(slot, (float(loss) / count, int(correct) / count))

    def _reply_steps(self, after: DeviceControls) -> None:
        # The host's own copy: arrays that come from the device cannot be written to.
        self._controls = Controls(*(np.array(numbers) for numbers in jax.device_get(after)))
        for slot in list(self._requests):
            own = Controls(*(numbers[slot].item() for numbers in self._controls))
            if _has_stopped(own):
                self._reply(slot, _train_reply(own))

    def _reply(self, slot: int, reply: Reply) -> None:
        del self._requests[slot]
        self._make_idle(slot)  # until the next request
        self._replies[slot] = reply

    def _make_idle(self, slot: int) -> None:
        self._controls.end[slot] = self._controls.step[slot]


def _has_stopped(slot: Controls[Any]) -> bool:
    """Has a slot with these controls stopped? See `train_step`."""
    out_of_patience = slot.zero_grad_steps >= slot.patience
    return slot.step == slot.end or out_of_patience or not np.isfinite(slot.last_loss)


def _train_reply(slot: Controls[Any]) -> TrainReply:
    return TrainReply(
        slot.step,
        slot.zero_grad_steps,
        slot.steps_above_ceiling,
        slot.loss_sum,
        slot.correct,
        slot.last_loss,
    )
