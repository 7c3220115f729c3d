"""Whether a diagnosis ends a run, or is recorded while the run goes on."""

from __future__ import annotations

import numpy as np

from fmnist_model.diagnosis import Diagnosis, Moment
from fmnist_model.training.inspection import NamedWeight
from fmnist_model.training.results import Recorded
from fmnist_model.training.run_state import RunState


class StopRule:
    """`TrainConfig.on_stuck` at work: "stop" ends the run, "record" notes why it would have ended.

    `pending` is the first stop that was recorded; None without one.
    """

    def __init__(self, state: RunState) -> None:
        self._state = state
        self.pending: PendingStop | None = None

    def apply(self, diagnosis: Diagnosis, now: Moment) -> Diagnosis | None:
        """The diagnosis where it ends the run; None where it is only recorded."""
        if self._state.train.on_stuck == "stop":
            return diagnosis
        if self.pending is None:
            self.pending = PendingStop(self._state, diagnosis, now)
        return None

    def recorded(self) -> Recorded | None:
        """What became of the run since it would have been stopped; None if it never would."""
        return self.pending.outcome() if self.pending is not None else None


class PendingStop:
    """Why and when a run would have been stopped, and its frozen weights at that time."""

    def __init__(self, state: RunState, diagnosis: Diagnosis, now: Moment) -> None:
        self.diagnosis = diagnosis
        self._state, self._now = state, now
        self._steps = state.counts.steps
        self._zero_grad_steps = state.counts.gradients.zero_grad_steps
        self._weights = self._frozen()

    def _frozen(self) -> list[NamedWeight]:
        """The weights up to the dead layer, which should not change any more; all without one."""
        network = self._state.network
        trained = [w for w in network.weights() if not w.name.startswith("moving_")]
        if self.diagnosis.layer is None:
            return trained
        frozen = network.layers[: network.layers.index(self.diagnosis.layer) + 1]
        frozen += [f"{layer}_normalization" for layer in frozen]
        return [weight for weight in trained if weight.layer in frozen]

    def outcome(self) -> Recorded:
        """What has become of the run by now: was it as dead as it was said to be?"""
        pairs = zip(self._weights, self._frozen(), strict=True)
        moved = any(not np.array_equal(then.value, now.value) for then, now in pairs)
        steps_since = self._state.counts.steps - self._steps
        revived = self._state.counts.gradients.zero_grad_steps < self._zero_grad_steps + steps_since
        return Recorded(self._now.epoch, self._now.step, revived, moved)
