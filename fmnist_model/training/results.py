"""What a training run tells: one record an epoch, and the whole at the end. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from fmnist_model.diagnosis.diagnose import Diagnosis

StopReason = Literal["completed", "pruned", "stuck", "diverged"]


@dataclass(frozen=True)
class EpochMetrics:
    """The figures of one epoch, numbered from 1; None where a figure is not finite or not taken.

    `loss` and `accuracy` are means over the epoch's training steps, taken while the weights
    moved, as Keras reports them; `val_loss` and `val_accuracy` are taken at its end.
    """

    epoch: int
    loss: float | None
    accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    images_per_second: float


@dataclass(frozen=True)
class Check:
    """A check of a run without gradients: `step` of `epoch`, both from 1, after `zero_grad_steps`.

    `kind` and `layer` are None where it was found to be alive; `enough` says whether it would have
    been stopped. `seconds` is what the look took.
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
        """The check as plain values, ready for JSON, under the names that files have had."""
        kept = asdict(self)
        return {"quiet_steps" if k == "zero_grad_steps" else k: v for k, v in kept.items()}


@dataclass(frozen=True)
class Recorded:
    """Of a run that was told to go on: when it would have been stopped, and what came of it.

    `revived`: had the first layer a gradient again, at any step since? `moved`: does any weight
    up to the dead layer differ at the end from what it was then?
    """

    epoch: int
    step: int
    revived: bool
    moved: bool


Report = Callable[[EpochMetrics], bool]
"""Called after each epoch; True asks to stop the run here (it is then `pruned`)."""


@dataclass(frozen=True)
class RunResult:
    """How one training run went.

    `value` is the validation accuracy after the last epoch that was run (None without validation
    data or where it diverged); `train_seconds` is wall time from the first step to the last
    validation; `images_per_second` counts the training steps alone, without validation.
    `dead_fraction` is the share of each hidden layer's units that were inactive at the end on
    every image of a sample of the training images.
    """

    stop_reason: StopReason
    value: float | None
    diagnosis: Diagnosis
    history: tuple[EpochMetrics, ...]
    epochs_run: int
    steps_run: int
    train_seconds: float
    images_per_second: float
    engine: str
    precision: str
    device: str
    seed: int
    dead_fraction: Mapping[str, float]
    checks: tuple[Check, ...]
    recorded: Recorded | None

    def curves(self) -> dict[str, list[float | None]]:
        """The history as columns: loss, accuracy, val_loss and val_accuracy, one entry an epoch."""
        rows = [asdict(metrics) for metrics in self.history]
        names = ("loss", "accuracy", "val_loss", "val_accuracy")
        return {name: [row[name] for row in rows] for name in names}
