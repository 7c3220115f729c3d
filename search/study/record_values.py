"""What a value in a trial's user attributes may be: each reader returns it, or None if it is not.

A database can be written to by anything: by hand, by optuna-dashboard, by another program. So no
value is trusted to have the type that this program writes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

LARGEST_INTEGER = 2**63 - 1
"""What a column of integers can hold in a table."""
SEEDS = 2**31
"""How many seeds of a training there are."""
MEASURES = ("loss", "accuracy", "val_loss", "val_accuracy")

Curves = Mapping[str, list[float | None]]
"""One list for each of MEASURES, with an entry an epoch; None where a figure is not finite."""


def whole(value: Any) -> int | None:
    """A whole number from 0 on."""
    # Not isinstance: True and False are integers, too.
    return value if type(value) is int and 0 <= value <= LARGEST_INTEGER else None


def training_seed(value: Any) -> int | None:
    """A seed that `fmnist_model.config.TrainConfig` takes."""
    found = whole(value)
    return found if found is not None and found < SEEDS else None


def number(value: Any) -> float | None:
    """A finite number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return value if abs(value) <= sys.float_info.max else None


def amount(value: Any) -> float | None:
    """A finite number from 0 on."""
    found = number(value)
    return found if found is not None and found >= 0 else None


def text(value: Any) -> str | None:
    """A text."""
    return value if isinstance(value, str) else None


def flag(value: Any) -> bool | None:
    """True or false."""
    return value if isinstance(value, bool) else None


def mapping(value: Any) -> Mapping[str, Any] | None:
    """A mapping, of whatever."""
    return value if isinstance(value, Mapping) else None


def one_of(words: Collection[str]) -> Callable[[Any], Any]:
    """The reader of a value that is one of these words."""
    return lambda value: value if isinstance(value, str) and value in words else None


def shares(value: Any) -> Mapping[str, float] | None:
    """A number for each of some names."""
    if not isinstance(value, Mapping) or any(number(share) is None for share in value.values()):
        return None
    return value


def curves(value: Any) -> Curves | None:
    """The training curves of a run that has ended at least one epoch."""
    if not isinstance(value, Mapping):
        return None
    columns = {name: value.get(name) for name in MEASURES}
    lists = {name: column for name, column in columns.items() if isinstance(column, list)}
    epochs = {len(column) for column in lists.values()}
    if len(lists) < len(MEASURES) or len(epochs) > 1 or 0 in epochs:
        return None
    return {name: [number(figure) for figure in column] for name, column in lists.items()}


@dataclass(frozen=True)
class KeptDiagnosis:
    """A `fmnist_model.diagnosis.diagnose.Diagnosis` as it is kept.

    Whatever but its kind may be missing; the kind may be one that is not known here.
    """

    kind: str
    message: str | None
    certain: bool | None
    layer: str | None
    epoch: int | None
    step: int | None
    evidence: Mapping[str, Any] | None
    live_outputs: int | None
    explained_loss: float | None


def diagnosis(value: Any) -> KeptDiagnosis | None:
    """A diagnosis, if it has a kind."""
    if not isinstance(value, Mapping) or (kind := text(value.get("kind"))) is None:
        return None
    return KeptDiagnosis(
        kind=kind,
        message=text(value.get("message")),
        certain=flag(value.get("certain")),
        layer=text(value.get("layer")),
        epoch=whole(value.get("epoch")),
        step=whole(value.get("step")),
        evidence=mapping(value.get("evidence")),
        live_outputs=whole(value.get("live_outputs")),
        explained_loss=number(value.get("explained_loss")),
    )


@dataclass(frozen=True)
class KeptRecorded:
    """A `fmnist_model.training.results.Recorded` as it is kept: a run that would have been stopped
    as stuck at `step` of `epoch`, but was told to go on."""

    epoch: int
    step: int
    revived: bool | None
    moved: bool | None


def recorded(value: Any) -> KeptRecorded | None:
    """When a run would have been stopped, if epoch and step are known."""
    if not isinstance(value, Mapping):
        return None
    epoch, step = whole(value.get("epoch")), whole(value.get("step"))
    if epoch is None or step is None:
        return None
    return KeptRecorded(epoch, step, flag(value.get("revived")), flag(value.get("moved")))
