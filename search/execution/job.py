"""What is to be searched, and how a search may end early."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from fmnist_model.utils import UserError
from search.presets import Preset


@dataclass(frozen=True)
class SearchJob:
    """What to search: `trials` is how many finished ones the study shall have in the end.

    The images are those in the folder `data`. Where it is None, they are in `data_home`, and are
    fetched into it if they are not; it also keeps decoded images and compiled programs.
    """

    preset: Preset
    name: str
    url: str
    trials: int
    seed: int | None = None
    data: Path | None = None
    is_secondary_worker: bool = False  # by one worker of several
    parent: int | None = None  # the process whose death ends the search, too
    stop_when: float | None = None  # what the next trials have to be expected to gain, to go on
    data_home: Path | None = None


class SearchStoppedError(UserError):
    """The search ended early for a reason of its own, which the message gives."""

    exit_code = 1


class InterruptFlag:
    """Set by a signal, or by the death of the process's parent `parent`; read between epochs."""

    def __init__(self, parent: int | None) -> None:
        self.set, self._parent = False, parent

    def __call__(self) -> bool:
        return self.set or self._parent not in (None, os.getppid())


@contextmanager
def interruptible(say: Callable[[str], None], parent: int | None = None) -> Iterator[InterruptFlag]:
    """Within the block Ctrl-C and SIGTERM set a flag the first time, and interrupt the second."""
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
