"""Searches whose training is a stand-in (benchmarks/standins/replay.py), here and in workers."""

from __future__ import annotations

import sys

from benchmarks.standins.replay import quiet, replay
from search.execution.job import SearchJob
from search.execution.local_pool import WorkerSpec
from search.execution.runner import run_search
from search.presets.files import load_preset
from tests.conftest import DATA, PATHS, ROOT

__all__ = ["quiet", "replay", "replay_command", "replay_crew", "replay_order"]

STAND_IN = "benchmarks.standins.replay"


def replay_order(name: str, trials: int, url: str) -> SearchJob:
    return SearchJob(
        load_preset("replay", PATHS.presets), name, url, trials, data=DATA, data_home=PATHS.data
    )


def replay_command(name: str, trials: int, seconds: float, *more: str) -> list[str]:
    """A worker whose training is the stand-in."""
    return [sys.executable, "-m", STAND_IN, name, str(trials), str(seconds), *more]


def replay_crew(
    count: int, name: str, trials: int, url: str, seconds: float, *more: str, progress=None
):
    """Search with the stand-in, in workers, each with more options."""
    command = replay_command(name, trials, seconds, *more)
    spec = WorkerSpec(command, count, {"STORAGE": url, "PYTHONPATH": str(ROOT)})
    return run_search(replay_order(name, trials, url), progress or quiet(), spec)
