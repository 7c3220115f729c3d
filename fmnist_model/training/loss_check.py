"""Checks a run by its losses at the end of each epoch: not finite, exploded, saturated, slow."""

from __future__ import annotations

import math
import sys

from fmnist_model.diagnosis import LOSS_CEILING, Diagnosis, Moment, diverged, exploded, living
from fmnist_model.training.inspection import CHUNK
from fmnist_model.training.run_counts import EpochMetrics
from fmnist_model.training.run_state import RunState
from fmnist_model.training.stop_rule import StopRule

EXPLODED_EPOCHS = 2
"""Epochs in a row that end with a finite loss above LOSS_CEILING after which a run has exploded."""


class LossCheck:
    """Counts the epochs in a row that end exploded or saturated, and says what that means."""

    def __init__(self, state: RunState, rule: StopRule) -> None:
        self._state, self._rule = state, rule

    def fault(self, closing: Moment) -> Diagnosis | None:
        """A reason to stop the run in the loss that was measured after an epoch's last step."""
        if not math.isfinite(closing.loss):
            origin, layer = self._state.network.non_finite(slice(CHUNK))
            return diverged(closing, "loss after the step", origin, layer)
        above, counts = closing.loss > LOSS_CEILING, self._state.counts
        counts.exploded_epochs = counts.exploded_epochs + 1 if above else 0
        if counts.exploded_epochs < EXPLODED_EPOCHS:
            return None
        onset = self._state.explosion_onset(closing)
        return self._rule.apply(exploded(onset, self._state.vital_signs()), closing)

    def is_to_be_pruned(self, metrics: EpochMetrics) -> bool:
        """Has the run been saturated for `TrainConfig.saturated_patience` epochs in a row?"""
        counts, patience = self._state.counts, self._state.train.saturated_patience
        if patience is None:
            return False
        saturated = self.diagnosis(metrics).kind == "saturated"
        counts.saturated_epochs = counts.saturated_epochs + 1 if saturated else 0
        return counts.saturated_epochs >= patience

    def diagnosis(self, metrics: EpochMetrics) -> Diagnosis:
        """What the run is at the end of an epoch that did not stop it."""
        if self._rule.pending is not None:
            return self._rule.pending.diagnosis
        # A mean of finite losses may be beyond all floats: JSON has no infinity.
        loss = metrics.loss if metrics.loss is not None else sys.float_info.max
        now = Moment(metrics.epoch, self._state.steps_per_epoch, loss)
        return living(now, self._state.entropy, self._state.vital_signs())
