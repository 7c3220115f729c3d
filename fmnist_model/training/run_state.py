"""What a run was given, and where it stands: shared by what trains it and what checks it."""

from __future__ import annotations

import math
from typing import Any

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.diagnosis import ZERO_GRAD_IMAGES, Moment, VitalSigns
from fmnist_model.training.inspection import InspectableNetwork
from fmnist_model.training.monitor import GradientMonitor
from fmnist_model.training.protocol import TrainReply
from fmnist_model.training.results import Origin
from fmnist_model.training.run_counts import RunCounts

ZERO_GRAD_STEPS = 5
"""Steps in a row with an exactly zero first gradient after which a census is taken."""


class RunState:
    """One run's network and configuration, and the counts that grow as it trains.

    `entropy` is that of the training labels, in nats, and `batch` the batch size. `counts` are
    those of an earlier part of the run, which grow on; by default those of a new run.
    """

    def __init__(
        self,
        network: InspectableNetwork,
        model: ModelConfig,
        train: TrainConfig,
        origin: Origin,
        entropy: float,
        counts: RunCounts | None = None,
    ) -> None:
        self.network, self.model, self.train, self.origin = network, model, train, origin
        self.entropy = entropy
        self.images = network.images
        self.batch = min(train.batch_size, self.images)
        self.steps_per_epoch = math.ceil(self.images / self.batch)
        self.counts = counts or RunCounts(GradientMonitor(_patience(model, train, self.batch)))
        self._vital_signs: tuple[int, VitalSigns] | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """What has to be the same in all parts of a run: see `Checkpoint`."""
        train = self.train.model_dump(mode="json", exclude={"epochs"})
        return {
            **self.model.model_dump(mode="json"),
            **train,
            "precision": self.origin.precision,  # what "auto" has come to
            "engine": self.origin.engine,
            "images": self.images,
        }

    def advance(self, first: int, reply: TrainReply) -> None:
        """Count the steps from `first`, 0-based in its epoch, to where a reply says it got."""
        self.counts.steps += reply.step - first
        self.counts.gradients.after(reply.step - first, reply.zero_grad_steps)
        self.counts.steps_above_ceiling = reply.steps_above_ceiling

    def onset(self, now: Moment, steps: int) -> Moment:
        """The first of the last `steps` steps, with the loss of now."""
        first = (now.epoch - 1) * self.steps_per_epoch + now.step - steps
        epoch, step = divmod(first, self.steps_per_epoch)
        return Moment(epoch + 1, step + 1, now.loss)

    def explosion_onset(self, now: Moment) -> Moment:
        """The first of the last steps with a loss above the ceiling; this one if none was."""
        return self.onset(now, max(self.counts.steps_above_ceiling, 1))

    def vital_signs(self) -> VitalSigns:
        """The network's vital signs, measured once after the same number of steps."""
        if self._vital_signs is None or self._vital_signs[0] != self.counts.steps:
            self._vital_signs = (self.counts.steps, self.network.vital_signs())
        return self._vital_signs[1]


def other_recovery_paths(model: ModelConfig, train: TrainConfig) -> tuple[str, ...]:
    """What might revive any dead layer of such a run, dropout and momentum apart."""
    paths = {
        "the statistics of another batch": model.batch_normalization,
        "weight decay": train.weight_decay > 0,
        "another flip or shift": train.flip or train.shift > 0,
    }
    return tuple(path for path, exists in paths.items() if exists)


def _patience(model: ModelConfig, train: TrainConfig, batch: int) -> int:
    """Steps before the first check: more where something might revive the network, as only a check
    after ZERO_GRAD_IMAGES can stop such a run."""
    if model.dropout > 0 or train.momentum > 0 or other_recovery_paths(model, train):
        return max(ZERO_GRAD_STEPS, math.ceil(ZERO_GRAD_IMAGES / batch))
    return ZERO_GRAD_STEPS
