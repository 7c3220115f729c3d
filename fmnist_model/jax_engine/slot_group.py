"""Slots that train together: what they hold, and what their runs have asked for. JAX only.

    bank.ask(slot, request); bank.launch(); bank.collect(); answer = bank.answer(slot)

Between `launch` and `collect` the device works by itself, and the host may do something else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.jax_engine.state import Controls, SlotWeights
from fmnist_model.jax_engine.train_step import OUTPUTS, VmappedTrainer
from fmnist_model.training.protocol import EvalRequest, Request, TrainReply, TrainRequest


class SlotGroup:
    """As many slots as the program has; they begin and end their strides together."""

    def __init__(self, lockstep: VmappedTrainer) -> None:
        self.lockstep = lockstep
        self._weights, self._orders = lockstep.blank()
        self._controls = Controls.idle(lockstep.slots)
        self._rates = np.zeros((lockstep.slots, lockstep.steps), np.float32)
        self._asked: dict[int, Request] = {}
        self._answers: dict[int, Any] = {}
        self._under_way: Callable[[], None] | None = None

    @property
    def at_work(self) -> bool:
        """Has something been launched that has not been collected?"""
        return self._under_way is not None

    def fill(
        self,
        slot: int,
        model: ModelConfig,
        train: TrainConfig,
        weights: Sequence[Any] | None = None,
    ) -> None:
        """Begin a trial in a slot, with these weights, or with those that its seed draws."""
        self.collect()
        self._weights = self.lockstep.filled(self._weights, slot, model, train, weights)
        self._controls.momentum[slot] = train.momentum
        self._controls.weight_decay[slot] = train.weight_decay
        self._controls.output[slot] = OUTPUTS.index(model.output_activation)

    def order(self, slot: int, order: np.ndarray) -> None:
        """Show a slot the images in this order in its next epoch."""
        self._orders = self.lockstep.ordered(self._orders, slot, order)

    def of(self, slot: int) -> SlotWeights:
        """One slot's weights and the rest, on the device."""
        return self.lockstep.of(self._weights, slot)

    def ask(self, slot: int, request: Request) -> None:
        """Note what a slot's run asks for; it is begun at the next launch."""
        self.collect()  # controls that a launched program reads, or will replace, are not to change
        self._asked[slot] = request
        if not isinstance(request, TrainRequest):
            return
        self._rates[slot] = request.rates
        controls = self._controls
        controls.step[slot], controls.end[slot] = request.first, self.lockstep.steps
        controls.zero_grad_steps[slot], controls.steps_above_ceiling[slot] = (
            request.zero_grad_steps,
            request.steps_above_ceiling,
        )
        controls.patience[slot], controls.correct[slot] = request.patience, 0
        controls.loss_sum[slot] = controls.last_loss[slot] = 0

    def answered(self, slot: int) -> bool:
        """Is there an answer to what a slot's run asked for?"""
        return slot in self._answers

    def answer(self, slot: int) -> Any:
        """That answer, once."""
        return self._answers.pop(slot)

    def release(self, slot: int) -> None:
        """Let a slot rest: its run has ended, or been given up."""
        self.collect()
        self._rest(slot)
        self._asked.pop(slot, None)
        self._answers.pop(slot, None)

    def launch(self) -> None:
        """Begin what the runs have asked for: scores, if any did, else some steps of training."""
        scored = [slot for slot, asked in self._asked.items() if isinstance(asked, EvalRequest)]
        if scored:
            outputs = self._controls.output
            scores = [self.lockstep.score(self._weights, s, outputs[s]) for s in scored]
            self._under_way = partial(self._tell_scores, scored, scores)
        elif self._asked:
            self._under_way = partial(self._tell_steps, self._stride(self._controls))

    def collect(self) -> None:
        """Wait for what was launched, if anything was, and answer the runs that are done."""
        tell, self._under_way = self._under_way, None
        if tell is not None:
            tell()

    def exert(self) -> Any:
        """Launch a stride of all slots from the beginning of their epochs; return what to wait for.

        For measuring, while no slot has a run.
        """
        busy = Controls.idle(self.lockstep.slots)
        busy.end[:], busy.patience[:] = self.lockstep.steps, 2**30
        return self._stride(busy)

    def _stride(self, controls: Controls) -> Controls:
        self._weights, after = self.lockstep.advance(
            self._weights, controls, self._rates, self._orders
        )
        return after

    def _tell_scores(self, slots: Sequence[int], scores: Sequence[Any]) -> None:
        count = len(self.lockstep.validation_images.labels)
        for slot, (loss, correct) in zip(slots, jax.device_get(scores), strict=True):
            self._answer(slot, (float(loss) / count, int(correct) / count))

    def _tell_steps(self, after: Controls) -> None:
        # The host's own copy: what comes from the device cannot be written to.
        self._controls = Controls(*(np.array(figures) for figures in jax.device_get(after)))
        for slot in list(self._asked):
            (
                step,
                end,
                zero_grad_steps,
                steps_above_ceiling,
                patience,
                _,
                correct,
                *_,
                loss_sum,
                last_loss,
            ) = (figures[slot].item() for figures in self._controls)
            if step == end or zero_grad_steps >= patience or not np.isfinite(last_loss):
                self._answer(
                    slot,
                    TrainReply(
                        step, zero_grad_steps, steps_above_ceiling, loss_sum, correct, last_loss
                    ),
                )

    def _answer(self, slot: int, answer: Any) -> None:
        del self._asked[slot]
        self._rest(slot)  # until it asks again
        self._answers[slot] = answer

    def _rest(self, slot: int) -> None:
        self._controls.end[slot] = self._controls.step[slot]
