"""When to look at a run that has fallen silent, and what becomes of one that is let go on."""

from __future__ import annotations

import numpy as np

from fmnist_model.diagnosis.diagnose import Diagnosis, Moment
from fmnist_model.training.inspection import InspectableNetwork, NamedWeight
from fmnist_model.training.results import Recorded


class GradientMonitor:
    """Counts silent steps, and says when to look: after `patience` of them, then twice as many.

    A stretch of silence that proves to be alive makes the whole run be looked at less often, so
    that flicker costs little.
    """

    def __init__(self, patience: int) -> None:
        self.zero_grad_steps = 0
        self.patience = self.next_check = patience

    def after(self, steps: int, zero_grad_steps: int) -> None:
        """So many steps were made; the last `zero_grad_steps` had no gradient."""
        if zero_grad_steps < self.zero_grad_steps + steps:  # a signal came through: a new stretch
            self.next_check = self.patience
        self.zero_grad_steps = zero_grad_steps

    def check_due(self, last: bool) -> bool:
        """Is it time to look, at the `last` step of a run whatever the patience?"""
        return self.zero_grad_steps >= (1 if last else self.next_check)

    def record_check(self, dead: bool) -> None:
        """Remember what a look found."""
        self.next_check = 2 * max(self.zero_grad_steps, self.next_check)
        if not dead:
            self.patience = self.next_check


class PendingStop:
    """Why and when a run would have been stopped, and its weights then.

    `steps` is how many steps the run has made, the last `zero_grad_steps` without a gradient.
    """

    def __init__(
        self,
        network: InspectableNetwork,
        diagnosis: Diagnosis,
        now: Moment,
        steps: int,
        zero_grad_steps: int,
    ) -> None:
        self.diagnosis = diagnosis
        self._network, self._now = network, now
        self._steps, self._zero_grad_steps = steps, zero_grad_steps
        self._weights = self._frozen()

    def _frozen(self) -> list[NamedWeight]:
        trained = [w for w in self._network.weights() if not w.name.startswith("moving_")]
        if self.diagnosis.layer is None:
            return trained
        layers = self._network.layers
        frozen = layers[: layers.index(self.diagnosis.layer) + 1]
        frozen += [f"{layer}_normalization" for layer in frozen]
        return [weights for weights in trained if weights.layer in frozen]

    def outcome(self, steps: int, zero_grad_steps: int) -> Recorded:
        """What became of the run after so many steps: was it as dead as it was said to be?"""
        pairs = zip(self._weights, self._frozen(), strict=True)
        moved = any(not np.array_equal(then.value, now.value) for then, now in pairs)
        revived = zero_grad_steps < self._zero_grad_steps + steps - self._steps
        return Recorded(self._now.epoch, self._now.step, revived, moved)
