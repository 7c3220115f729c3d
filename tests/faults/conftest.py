"""Studies whose training is a stand-in, so that faults can be many."""

from __future__ import annotations

from pathlib import Path

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


def write_replay(workers: str = "", epochs: int = 3) -> None:
    Path("studies/replay.toml").write_text(PRESET.format(workers=workers, epochs=epochs))


@pytest.fixture
def replayed(project):
    """A project with the preset `replay`."""
    write_replay()
    return project
