"""The description of a search, and the ways in which a search may be interrupted."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from fmnist_model.utils import UserError
from search.execution.time_limit import TimeLimit
from search.presets import Preset


@dataclass(frozen=True)
class SearchJob:
    """What to search, where the study is stored, and when the search ends.

    Args:
        preset: The model, the training and the search space.
        name: The study's name; a study that exists is continued.
        url: The URL of the study's database.
        trials: How many finished trials the study shall have in the end, those that it already has
            included; None for any number, where there is a `limit`.
        seed: The study's seed; None takes that of the study if it exists, else the default.
        data: The folder that contains the images; None takes those in `data_home`.
        is_secondary_worker: Is this one of several workers that another process has started?
        parent: The id of the process that started this worker. If that process dies, the search
            ends, too.
        stop_when: The search stops early once the next trials are expected to improve the best
            validation accuracy by less than this; None never stops early.
        data_home: The folder into which the images are fetched if they are not there yet; it also
            keeps decoded images and compiled programs.
        weights: The folder in which weights are kept, from which longer runs go on, if the database
            is not a SQLite file: beside such a file they are kept without it.
        limit: When the search ends, whatever it has come to; None for never.
        source: The name of a study in the same database, near whose best configurations a new one
            begins; see `search.generations.warm_start`.
    """

    preset: Preset
    name: str
    url: str
    trials: int | None
    seed: int | None = None
    data: Path | None = None
    is_secondary_worker: bool = False
    parent: int | None = None
    stop_when: float | None = None
    data_home: Path | None = None
    weights: Path | None = None
    limit: TimeLimit | None = None
    source: str | None = None

    @property
    def deadline(self) -> float | None:
        """When its time is up, in seconds since 1970."""
        return self.limit.deadline if self.limit is not None else None


class SearchStoppedError(UserError):
    """The search ended early, though nobody interrupted it; the message gives the reason."""

    exit_code = 1


class InterruptFlag:
    """Says, when called, whether the search is to end: after a signal, or once `parent` has died.

    `parent` is the id of the process that started this one. The flag is read between two epochs.
    """

    def __init__(self, parent: int | None) -> None:
        self.set, self._parent = False, parent

    def __call__(self) -> bool:
        return self.set or self._parent not in (None, os.getppid())


@contextmanager
def interruptible(say: Callable[[str], None], parent: int | None = None) -> Iterator[InterruptFlag]:
    """Within the block, the first Ctrl-C or SIGTERM sets the flag, the second interrupts at once.

    `say` reports the first one; for `parent` see `InterruptFlag`. The former signal handlers are
    restored after the block.
    """
    flag = InterruptFlag(parent)

    def handle(_number: int, _frame: FrameType | None) -> None:
        if flag.set:
            raise KeyboardInterrupt
        flag.set = True
        say("stopping after the epoch in hand; press Ctrl-C again to stop at once")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
