"""What ends a search early: signals, and the death of the process that started it."""

from __future__ import annotations

import os
import signal

import pytest

from search.execution.job import InterruptFlag, interruptible


def test_the_first_signal_asks_and_the_second_interrupts():
    said: list[str] = []
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    def signalled_twice() -> None:
        with interruptible(said.append) as interrupted:
            assert not interrupted()
            os.kill(os.getpid(), signal.SIGTERM)
            assert interrupted()
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        signalled_twice()
    assert [line[:33] for line in said] == ["stopping after the epoch in hand;"]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_worker_ends_with_its_parent():
    assert not InterruptFlag(None)()
    assert not InterruptFlag(os.getppid())()
    assert InterruptFlag(os.getppid() + 1)()
