"""What became of each run, and when the detector would have stopped it, from the stored records."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from scipy.stats import binomtest

from benchmarks.stuck.sampling import IMAGES, Run, paper, sampled, seen
from fmnist_model.diagnosis.frozen_losses import LOSS_CEILING

Record = dict[str, Any]
CHANCE = {IMAGES: 0.1215}
"""Highest validation accuracy of a constant answer, where it is more than 0.12: the commonest of
the classes of the 1,000 validation images has 121."""


class Judged(NamedTuple):
    """A run, its record, and what became of it.

    `fate`: learned; frozen (above chance, and no weight moved any more after our stop); dead (at
    chance after the last epoch, and no gradient in the first layer there); idle (at chance, with
    gradients); exploded (a finite loss above any clipped one); or non_finite.
    """

    run: Run
    record: Record
    fate: str

    @property
    def seen(self) -> bool:
        """Was the run among those on which thresholds were chosen?"""
        return seen(self.run)


class Stop(NamedTuple):
    """When and why a run would have been stopped.

    `share` of its steps had been made by then, and `time_share` of its time spent, checks included;
    `steps` steps and `seconds` had passed since it died.
    """

    kind: str
    certain: bool
    share: float
    time_share: float
    steps: int
    seconds: float


def load(path: Path) -> list[Judged]:
    """Read records, as `train` writes them or compressed with gzip."""
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    runs = {run.key: run for run in [*sampled(5000), *paper(100)]}
    judged = []
    for line in text.decode().splitlines():
        record = json.loads(line)
        run = runs[record["key"]]
        record["epochs"] = run.train.epochs
        judged.append(Judged(run, record, _fate(run, record)))
    return judged


def _fate(run: Run, record: Record) -> str:
    if record["stop_reason"] == "diverged":
        return "non_finite"
    if record["curves"]["val_loss"][-1] > LOSS_CEILING:
        return "exploded"
    if record["curves"]["val_accuracy"][-1] > CHANCE.get(run.images, 0.12):
        recorded = record["recorded"]
        still = recorded is not None and not recorded["moved"] and not recorded["revived"]
        return "frozen" if still else "learned"
    return "dead" if record["gradients"][-1]["zero"][0] == 1 else "idle"


def ours(judged: Judged) -> Stop | None:
    """When we would have stopped a dead network."""
    for look in judged.record["looks"]:
        if look["enough"]:
            return _stop(judged, look)
    return None


def ours_after(judged: Judged, output: int, hidden: int) -> Stop | None:
    """The same if a death that is not certain needed this many images without a gradient.

    `output` is for output layers, `hidden` for hidden ones.
    """
    batch = min(judged.run.train.batch_size, judged.run.images)
    for look in judged.record["looks"]:
        needed = output if look["layer"] == "output" else hidden
        if look["kind"] and (look["certain"] or look["quiet_steps"] * batch >= needed):
            return _stop(judged, look)
    return None


def _stop(judged: Judged, look: Record) -> Stop:
    record = judged.record
    checks = [each["seconds"] for each in record["looks"]]
    looking = sum(checks[: record["looks"].index(look) + 1])
    training = record["seconds"] - sum(checks)
    share = _steps(judged, look) / _total(judged)
    return Stop(
        kind=look["kind"],
        certain=look["certain"],
        share=share,
        time_share=(share * training + looking) / training,
        steps=look["quiet_steps"],
        seconds=look["quiet_steps"] / _total(judged) * training + looking,
    )


def exploded_epoch(judged: Judged, in_a_row: int) -> int | None:
    """The epoch at whose end the loss has been above the ceiling this often in a row."""
    count = 0
    for epoch, loss in enumerate(judged.record["curves"]["val_loss"], 1):
        count = count + 1 if loss is not None and loss > LOSS_CEILING else 0
        if count >= in_a_row:
            return epoch
    return None


def _steps_an_epoch(judged: Judged) -> int:
    return -(-judged.run.images // min(judged.run.train.batch_size, judged.run.images))


def _total(judged: Judged) -> int:
    return _steps_an_epoch(judged) * judged.run.train.epochs


def _steps(judged: Judged, look: Record) -> int:
    return int((look["epoch"] - 1) * _steps_an_epoch(judged) + look["step"])


def proportion(hits: Iterable[bool]) -> str:
    """A proportion with Wilson's 95 % interval, as text."""
    found = list(hits)
    if not found:
        return "none to judge"
    low, high = binomtest(sum(found), len(found)).proportion_ci(method="wilson")
    share = sum(found) / len(found)
    return f"{sum(found)}/{len(found)} = {share:.3f} ({low:.3f} to {high:.3f})"
