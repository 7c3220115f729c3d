"""A separate process for each program that is measured, so that none shares threads or memory."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from types import TracebackType
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Isolated:
    """One process that keeps what it has loaded between calls; a context manager.

    `environment` is added to the variables of this process.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        fresh = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, fresh, _begin, (dict(environment or {}),))

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function of a module in that process, and wait for its result."""
        return self._pool.submit(function, *args, **kwargs).result()

    def __enter__(self) -> Isolated:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)


def _begin(environment: dict[str, str]) -> None:
    """Silence what TensorFlow's native code prints as it starts; its errors come as exceptions."""
    os.environ.update(environment)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)
