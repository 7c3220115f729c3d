"""Checkpoints: all that a run needs to go on after an epoch, in memory and as files. NumPy only.

    result = engine.run(model, train, keep=True)
    sha256 = save(result.checkpoint, path)
    longer = train.model_copy(update={"epochs": 2 * train.epochs})
    result = engine.run(model, longer, start=load(path, sha256))

The two parts may differ in `epochs` alone, and only where the schedule is "constant": with any
other one the learning rate of the first step already depends on how many epochs there will be. A
continued run equals one that was not interrupted to the last bit, where all is trained on the same
kind of device and, in the JAX engine, in the same slot. That the images are the same is for the
caller to see to; only their number is checked.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from pydantic import TypeAdapter

from fmnist_model.config import TrainConfig
from fmnist_model.training.run_counts import RunCounts
from fmnist_model.utils import UserError, atomic_path

FORMAT = 1
"""Which format files have; changes with what a `Checkpoint` holds."""
HEADER = "header"
"""The name of the array that holds JSON, as bytes."""


class CheckpointError(UserError):
    """A checkpoint cannot be read, or is that of another run."""


@dataclass(frozen=True, eq=False)
class NetworkState:
    """What training has made of a network.

    Attributes:
        weights: All that training changes, in the order of
            `fmnist_model.network.build.state_variables`.
        velocity: The momentum of each trainable variable, in the same order.
        stream: Where the random stream of dropout is: its seed and how often it was drawn from.
    """

    weights: Sequence[np.ndarray]
    velocity: Sequence[np.ndarray]
    stream: np.ndarray


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A run after an epoch: what it has counted, its network, and the `settings` of both.

    `settings` are the configurations without the number of epochs, the engine, the precision, and
    the number of training images.
    """

    settings: Mapping[str, Any]
    counts: RunCounts
    network: NetworkState

    @property
    def epoch(self) -> int:
        """The epochs that the run has had."""
        return len(self.counts.history)

    def check(self, settings: Mapping[str, Any], train: TrainConfig) -> None:
        """Raise CheckpointError unless a run with these settings can be continued from here."""
        if train.schedule != "constant":
            raise CheckpointError(
                f"schedule={train.schedule!r}: only a run with schedule='constant' can be continued"
            )
        for name in {**self.settings, **settings}:
            theirs, wanted = self.settings.get(name), settings.get(name)
            if theirs != wanted:
                raise CheckpointError(
                    f"{name}={wanted!r}: the checkpoint has {name}={theirs!r}, and a run can be "
                    "continued only with another number of epochs"
                )
        if train.epochs <= self.epoch:
            raise CheckpointError(
                f"epochs={train.epochs}: the checkpoint is one after epoch {self.epoch}; "
                "take more epochs"
            )


def save(checkpoint: Checkpoint, path: Path) -> str:
    """Write a checkpoint to a .npz file, which appears whole or not at all; its SHA-256.

    The file has 8 bytes for each weight, 4 for its value and 4 for its velocity, and 1 to 10 KB for
    all else: 1.8 MB for the default cnn.
    """
    counts = asdict(checkpoint.counts)
    header = {"format": FORMAT, "settings": dict(checkpoint.settings), "counts": counts}
    network = checkpoint.network
    arrays = {
        HEADER: np.frombuffer(json.dumps(header, allow_nan=False).encode(), np.uint8),
        "stream": network.stream,
        **_numbered("weights", network.weights),
        **_numbered("velocity", network.velocity),
    }
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    data = content.getbuffer()
    with atomic_path(path) as scratch:
        scratch.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def load(path: Path, sha256: str) -> Checkpoint:
    """Read a checkpoint that `save` has written, given what it returned.

    Raises CheckpointError where the file is not there, has another hash because it is damaged or
    another one, or is no checkpoint in this format.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}; a checkpoint is wanted") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise CheckpointError(f"{path} is damaged, or not the checkpoint with SHA-256 {sha256}")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return _checkpoint(path, arrays)
    except (ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        raise CheckpointError(f"{path} is not a checkpoint") from error


def _checkpoint(path: Path, arrays: Mapping[str, np.ndarray]) -> Checkpoint:
    header = json.loads(arrays[HEADER].tobytes())
    if header["format"] != FORMAT:
        raise CheckpointError(
            f"{path} is a checkpoint in format {header['format']}; this program reads {FORMAT}"
        )
    network = NetworkState(
        _in_order("weights", arrays), _in_order("velocity", arrays), arrays["stream"]
    )
    counts = TypeAdapter(RunCounts).validate_python(header["counts"])
    return Checkpoint(header["settings"], counts, network)


def _numbered(name: str, values: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{name}{number}": value for number, value in enumerate(values)}


def _in_order(name: str, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    count = sum(key.startswith(name) for key in arrays)
    return [arrays[f"{name}{number}"] for number in range(count)]
