"""Studies whose training is a stand-in, so that faults can be many."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

PRESET = """
[train]
epochs = {epochs}

[space]
dropout = {{ low = 0.0, high = 0.5 }}
learning_rate = {{ low = 0.15, high = 0.45 }}

[workers]
{workers}
"""


@pytest.fixture(autouse=True)
def no_worker_left_behind() -> Iterator[None]:
    """What a test that fails has left running, or stopped, is none of the next one's business."""
    yield
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if {"benchmarks.standins.replay", "search"} & set(process.cmdline()):
                process.kill()


def write_replay(workers: str = "", epochs: int = 3) -> None:
    Path("studies/replay.toml").write_text(PRESET.format(workers=workers, epochs=epochs))


@pytest.fixture
def replayed(project):
    """A project with the preset `replay`."""
    write_replay()
    return project
