"""What a run measures and counts, epoch after epoch: all that it goes on from. NumPy only."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from fmnist_model.training.monitor import GradientMonitor


@dataclass(frozen=True)
class EpochMetrics:
    """The metrics of one epoch, from 1; None where one is not finite or was not measured.

    `loss` and `accuracy` are means over the epoch's training images, each measured in its own
    step, as Keras reports them; `val_loss` and `val_accuracy` are measured at the epoch's end.
    """

    epoch: int
    loss: float | None
    accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    images_per_second: float


@dataclass(frozen=True)
class Check:
    """A check at `step` of `epoch`, both from 1, after `zero_grad_steps` without a gradient.

    `kind` and `layer` are those of the diagnosis, None where the run was found to be alive;
    `enough` says whether the evidence was enough to stop it. The check took `seconds`.
    """

    epoch: int
    step: int
    zero_grad_steps: int
    kind: str | None
    layer: str | None
    certain: bool
    enough: bool
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The check as plain values, ready for JSON, under the keys that files have stored."""
        kept = asdict(self)
        return {"quiet_steps" if k == "zero_grad_steps" else k: v for k, v in kept.items()}


@dataclass
class RunCounts:
    """All that a run keeps from one epoch to the next, its network apart.

    A checkpoint holds it, and a continued run goes on from it: whatever a class of this folder is
    to remember beyond an epoch has to be a field here.

    Attributes:
        gradients: The last steps without a gradient, and when they call for a check.
        steps: The training steps made in all.
        steps_above_ceiling: The last of them whose loss was above any that clipped outputs have.
        exploded_epochs: The last epochs in a row that ended with such a loss.
        saturated_epochs: The last epochs in a row after which the run was saturated; they are
            counted only where `TrainConfig.saturated_patience` is given.
        images: The images in all steps, each as often as it was trained on.
        step_seconds: What the steps took.
        earlier_seconds: Wall time of the parts of the run before this one; 0 in the first.
        history: The metrics of each epoch.
        checks: The checks that a run of any number of epochs would have made up to here.
    """

    gradients: GradientMonitor
    steps: int = 0
    steps_above_ceiling: int = 0
    exploded_epochs: int = 0
    saturated_epochs: int = 0
    images: int = 0
    step_seconds: float = 0.0
    earlier_seconds: float = 0.0
    history: list[EpochMetrics] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
