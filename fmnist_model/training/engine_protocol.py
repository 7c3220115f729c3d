"""What a search needs of an engine: one that trains a trial at a time, or many side by side.

With `keep`, the result of a run that has completed holds its checkpoint. With `start`, a checkpoint
of the same run with fewer epochs, only the epochs after that are trained; `report` is called for
these alone, and the result is that of the whole run. An engine whose `can_continue` is false makes
no checkpoints, and raises ValueError if it is given one. See `fmnist_model.training.checkpoint`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple, Protocol, runtime_checkable

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.training.checkpoint import Checkpoint
from fmnist_model.training.results import Report, RunResult


class SequentialEngine(Protocol):
    """An engine that trains one configuration after the other:
    `fmnist_model.tensorflow_engine.engine.TensorFlowEngine`, or a stand-in for it."""

    can_continue: bool

    def run(
        self,
        model: ModelConfig,
        train: TrainConfig,
        report: Report | None = None,
        *,
        start: Checkpoint | None = None,
        keep: bool = False,
    ) -> RunResult:
        """Train one configuration; `report` is called after each epoch and may end the run."""


@runtime_checkable
class ParallelEngine(Protocol):
    """An engine that trains up to `slots` configurations at once:
    `fmnist_model.jax_engine.engine.VectorizedEngine`, or any engine as an `OneSlotEngine`."""

    slots: int
    can_continue: bool

    def running(
        self,
        model: ModelConfig,
        train: TrainConfig,
        report: Report | None = None,
        *,
        start: Checkpoint | None = None,
        keep: bool = False,
    ) -> Generator[None, None, RunResult]:
        """Train one configuration in a slot, some steps of it each time it is resumed."""

    def advance(self) -> None:
        """Train all slots on. To be called after each has been resumed."""


class Latency(NamedTuple):
    """How long a forward pass of one image takes, in milliseconds.

    The median of many passes, one after the other, and the distance between their quartiles.
    """

    median_ms: float
    spread_ms: float


@runtime_checkable
class LatencyEngine(Protocol):
    """An engine that can say how long the network that it trained last takes for an image."""

    def latency(self) -> Latency:
        """Measure it, on the device on which it was trained."""


class OneSlotEngine:
    """An engine that trains one configuration after the other, as one with a single slot."""

    slots = 1

    def __init__(self, engine: SequentialEngine) -> None:
        self._engine = engine
        self.can_continue = engine.can_continue

    def running(
        self,
        model: ModelConfig,
        train: TrainConfig,
        report: Report | None = None,
        *,
        start: Checkpoint | None = None,
        keep: bool = False,
    ) -> Generator[None, None, RunResult]:
        """Train it from beginning to end when it is first resumed."""
        yield from ()
        return self._engine.run(model, train, report, start=start, keep=keep)

    def advance(self) -> None:
        """There is nothing left to do."""


Engine = SequentialEngine | ParallelEngine


def as_parallel(engine: Engine) -> ParallelEngine:
    """The engine itself if it has slots, else the engine as one with a single slot."""
    return engine if isinstance(engine, ParallelEngine) else OneSlotEngine(engine)
