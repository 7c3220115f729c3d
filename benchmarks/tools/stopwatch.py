"""Where a program spends its time: methods are timed from outside, without those they call."""

from __future__ import annotations

import inspect
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from typing import Any


class Stopwatch:
    """Seconds by part. Time that a timed method spends in another timed one counts for the other
    alone."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._within: list[float] = []

    def watch(self, owner: Any, method: str, part: str) -> None:
        """From now on count the time of `owner.method` in the main thread as time of `part`."""
        setattr(owner, method, self.timed(getattr(owner, method), part))

    def watch_all(self, owner: type, part: str) -> None:
        """The same for every method that a class defines."""
        for name, value in list(vars(owner).items()):
            if inspect.isfunction(value) and not name.startswith("__"):
                self.watch(owner, name, part)

    def timed(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        """The same function, timed."""

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if threading.current_thread() is not threading.main_thread():
                return function(*args, **kwargs)
            self._within.append(0.0)
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                taken = time.perf_counter() - started
                self.seconds[part] += taken - self._within.pop()
                if self._within:
                    self._within[-1] += taken

        return timed

    def lap(self) -> dict[str, float]:
        """The seconds since the last lap, by part."""
        taken = dict(self.seconds)
        self.seconds.clear()
        return taken
