"""What a training run tells: one record an epoch, and the whole at the end. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

from fmnist_model.health import Diagnosis

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


Report = Callable[[EpochMetrics], bool]
"""Called after each epoch; True asks to stop the run here (it is then `pruned`)."""


@dataclass(frozen=True)
class RunResult:
    """How one training run went.

    `value` is the validation accuracy after the last epoch that was run (None without validation
    data or where it diverged); `train_seconds` is wall time from the first step to the last
    validation; `images_per_second` counts the training steps alone, without validation.
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

    def curves(self) -> dict[str, list[float | None]]:
        """The history as columns: loss, accuracy, val_loss and val_accuracy, one entry an epoch."""
        rows = [asdict(metrics) for metrics in self.history]
        names = ("loss", "accuracy", "val_loss", "val_accuracy")
        return {name: [row[name] for row in rows] for name in names}
