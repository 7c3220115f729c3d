"""When would each rule have stopped a run? The epoch, counted from 1, or None.

The rules are replayed on stored records. AUTOTRAINER's rules are those of its release v1.0
(ICSE'21), BTTackler's those of its repository (KDD'24), rewritten from their code with their
default thresholds. BTTackler averages gradients over all batches of an epoch, AUTOTRAINER takes one
fixed batch; the records hold one fixed batch.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna

Record = dict[str, Any]
Rule = Callable[[Record], int | None]


def autotrainer(record: Record, dying_relu_alone: bool = False) -> int | None:
    """AUTOTRAINER v1.0: looks after epochs 1, 4, 7, ... and judges accuracy from 30 % on."""
    seen = {"relu": False, "explode": False, "vanish": False}
    planned = record["epochs"]
    for epoch in range(1, _length(record) + 1, 3):
        losses = [*_upto(record, "loss", epoch), *_upto(record, "val_loss", epoch)]
        if any(not math.isfinite(x) for x in losses) or _upto(record, "val_loss", epoch)[-1] >= 1e5:
            return None if dying_relu_alone else epoch
        _symptoms(record["gradients"][epoch - 1], seen)
        train, validation = _upto(record, "accuracy", epoch), _upto(record, "val_accuracy", epoch)
        if epoch < 0.3 * planned:
            continue
        poor = max(train) < 0.7 or max(validation) < 0.7
        slow = _greatest_rise(train) < 0.01 and _greatest_rise(validation) < 0.01
        if (poor or slow) and seen["relu"]:
            return epoch
        if dying_relu_alone:
            continue
        if (poor or slow) and (seen["explode"] or seen["vanish"] or slow):
            return epoch
        if not (poor or slow) and _oscillations(train) >= 0.2 * epoch:
            return epoch
    return None


def _symptoms(gradient: Record, seen: dict[str, bool]) -> None:
    zero, size, norm = (np.array(gradient[name]) for name in ("zero", "size", "norm"))
    kernels = norm[::2]
    ratio = kernels[0] / kernels[-1] if kernels[-1] else (math.inf if kernels[0] else math.nan)
    seen["relu"] |= bool((zero * size).sum() / size.sum() >= 0.7)
    seen["vanish"] |= bool(ratio < 1e-3 and kernels[0] < 1e-4)
    seen["explode"] |= bool(ratio > 70)


def _greatest_rise(values: Sequence[float]) -> float:
    return float(max([0.0, *np.diff(values)]))


def _oscillations(values: Sequence[float]) -> int:
    inner = range(1, len(values) - 1)
    high = [values[i] for i in inner if values[i] >= max(values[i - 1], values[i + 1])]
    low = [values[i] for i in inner if values[i] <= min(values[i - 1], values[i + 1])]
    return sum(top - bottom >= 0.03 for top, bottom in zip(high, low, strict=False))


def bttackler(record: Record, dying_relu_alone: bool = False) -> int | None:
    """BTTackler: after each epoch; one symptom in one epoch stops the run."""
    planned = record["epochs"]
    for epoch in range(1, _length(record) + 1):
        gradient = record["gradients"][epoch - 1]
        zero, mean = (np.array(gradient[name][::2]) for name in ("zero", "mean_abs"))
        first_half = epoch - 1 < planned // 2
        if epoch >= 5 and np.median(zero) > 0.5:
            return epoch
        if first_half and np.any(mean == 0):  # a wholly dead layer alarms as a vanishing gradient
            return epoch
        if dying_relu_alone:
            continue
        if _abnormal_gradient(mean, first_half) or _abnormal_loss(record, epoch, first_half):
            return epoch
    return None


def _abnormal_gradient(mean: Any, first_half: bool) -> bool:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = mean[:-1] / mean[1:]
    not_finite = bool(np.any(~np.isfinite(ratio)))
    exploding = np.median(mean) > 1e4 or (
        np.all(mean != 0) and (not_finite or np.median(ratio) > 1000)
    )
    vanishing = np.median(mean) < 1e-5 or not_finite or np.median(ratio) < 1e-4
    return bool(exploding or (first_half and vanishing))


def _abnormal_loss(record: Record, epoch: int, first_half: bool) -> bool:
    train, validation = _upto(record, "loss", epoch), _upto(record, "val_loss", epoch)
    if first_half and epoch >= 3 and _variation(train) < 1e-4:
        return True
    for losses in (train, validation):
        half = epoch // 2
        late = epoch >= 6 and _variation(losses[:half]) < _variation(losses[half:])
        rising = epoch >= 4 and np.mean(losses[-6:-3]) < np.mean(losses[-3:])
        if rising or (not first_half and (late or _high_oscillation(losses[-6:]))):
            return True
    return False


def _high_oscillation(losses: Sequence[float]) -> bool:
    if not np.all(np.isfinite(losses)):
        return False
    slope = np.polyfit(range(len(losses)), losses, 1)[0]
    return bool(slope >= 0.01 and _variation(losses) > 0.2)


def _variation(values: Sequence[float]) -> float:
    with np.errstate(all="ignore"):
        return float(np.std(values) / np.mean(values)) if len(values) else math.nan


def _upto(record: Record, name: str, epoch: int) -> list[float]:
    return [math.nan if x is None else x for x in record["curves"][name][:epoch]]


def _length(record: Record) -> int:
    """The number of epochs with gradients; the last epoch of a run that diverged has none."""
    return min(len(record["gradients"]), len(record["curves"]["loss"]))


def pruned(records: Sequence[Record], pruner: optuna.pruners.BasePruner) -> list[int | None]:
    """When an Optuna pruner stops each run, one after the other as trials of one study."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    return [_pruned(study, record) for record in records]


def _pruned(study: optuna.Study, record: Record) -> int | None:
    trial = study.ask()
    values = [x for x in record["curves"]["val_accuracy"] if x is not None]
    for epoch, value in enumerate(values, 1):
        trial.report(value, epoch)
        if trial.should_prune():
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return epoch
    study.tell(trial, values[-1]) if values else study.tell(
        trial, state=optuna.trial.TrialState.FAIL
    )
    return None


def pruners(epochs: int) -> dict[str, optuna.pruners.BasePruner]:
    """Optuna's pruners with their defaults, and the length of a run where they ask for it."""
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    return {
        "Median": optuna.pruners.MedianPruner(),
        "SuccessiveHalving": optuna.pruners.SuccessiveHalvingPruner(),
        "Hyperband": optuna.pruners.HyperbandPruner(max_resource=epochs),
        "Patient (Median, patience 2)": optuna.pruners.PatientPruner(
            optuna.pruners.MedianPruner(), patience=2
        ),
        "Threshold (0.11)": optuna.pruners.ThresholdPruner(lower=0.11),
    }
