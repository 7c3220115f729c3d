"""What a training run tells: whether it shall go on, and a result at its end. NumPy only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal, NamedTuple

from fmnist_model.diagnosis import Diagnosis, Kind
from fmnist_model.training.checkpoint import Checkpoint
from fmnist_model.training.run_counts import Check, EpochMetrics

StopReason = Literal["completed", "pruned", "stuck", "diverged"]

_STOP_REASONS: dict[Kind, StopReason] = {
    "dead_output": "stuck",
    "dead_layer": "stuck",
    "exploded": "diverged",
    "non_finite": "diverged",
}


def stop_reason_of(kind: Kind) -> StopReason:
    """Why a run with such a diagnosis is stopped: "stuck" or "diverged".

    Raises ValueError for a kind of diagnosis that stops no run.
    """
    if kind not in _STOP_REASONS:
        raise ValueError(f"{kind!r} stops no run; only {', '.join(_STOP_REASONS)} do")
    return _STOP_REASONS[kind]


class Origin(NamedTuple):
    """Where a result comes from: the engine's name, the precision, and the device's name."""

    engine: str
    precision: str
    device: str


@dataclass(frozen=True)
class Recorded:
    """When a run would have been stopped that was trained on, and what has become of it since.

    `epoch` and `step`, both from 1, say when. `revived`: did the first layer have a gradient at any
    step since? `moved`: does any weight up to the dead layer differ at the end from what it was?
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
    data or where the run diverged). `train_seconds` is wall time from the first step to the last
    validation, while `images_per_second` counts the training steps alone. `dead_fraction` is the
    share of each hidden layer's units that were inactive at the end on every image of a sample of
    the training images; it is empty where the weights are not finite.

    The result of a run that was continued is that of the whole run, as if it had never been
    interrupted: all its epochs, steps and checks, and in `train_seconds` what its earlier parts
    took, too. `continued_from` is the number of epochs that those had, which were not trained
    again, and `earlier_seconds` what they took; both are 0 where the run began with its first
    epoch. `checkpoint` is where the run can be continued; None where that was not asked for, or
    cannot be: the run was stopped, or would have been, or its schedule is not "constant".
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
    continued_from: int = 0
    earlier_seconds: float = 0.0
    checkpoint: Checkpoint | None = field(default=None, repr=False, compare=False)

    def curves(self) -> dict[str, list[float | None]]:
        """The history as columns: loss, accuracy, val_loss and val_accuracy, one entry an epoch."""
        rows = [asdict(metrics) for metrics in self.history]
        names = ("loss", "accuracy", "val_loss", "val_accuracy")
        return {name: [row[name] for row in rows] for name in names}
