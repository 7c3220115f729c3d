"""Workers on this machine: their command line, and their share of the processors.

tests/faults/test_workers.py starts workers and kills them.
"""

from __future__ import annotations

import os
from pathlib import Path

import typer

from search.__main__ import app
from search.execution import local_pool
from search.execution.job import SearchJob
from search.execution.local_pool import (
    auto_workers,
    thread_settings,
    threads_each,
    worker_command,
)
from search.execution.time_limit import TimeLimit, parse_timeout
from search.presets.files import parse_preset
from search.presets.sections import SearchConfig

PRESET = parse_preset({"space": {"activation": ["relu", "elu"]}}, "x.toml")


def test_the_command_of_a_worker_is_one_that_there_is_and_hides_the_database():
    job = SearchJob(
        PRESET, "mine", "postgresql://me:secret@db/x", 7, 3, Path("there"), stop_when=0.5
    )
    command = worker_command(job, "paper", "population", 4)
    assert command[1:4] == ["-m", "search", "worker"]
    assert "secret" not in " ".join(command)
    parser = typer.main.get_command(app).commands["worker"]
    given = parser.make_context("worker", command[4:]).params
    asked = {"study": "paper", "name": "mine", "trials": 7, "seed": 3, "engine": "population"}
    asked |= {"slots": 4, "data": Path("there"), "stop_when": 0.5, "parent": None}
    assert {name: given[name] for name in asked} == asked


def test_all_workers_have_the_deadline_of_the_search():
    limit = TimeLimit(3600.0, 1_800_000_000.25)
    job = SearchJob(PRESET, "mine", "sqlite:///x.db", None, limit=limit)
    command = worker_command(job, "paper", "tensorflow", None)
    parser = typer.main.get_command(app).commands["worker"]
    given = parser.make_context("worker", command[4:]).params
    assert given["trials"] is None
    assert given["deadline"] == limit.deadline
    assert parse_timeout(given["timeout"]) == limit.seconds


def test_as_many_workers_as_cores_search_in_budgets(monkeypatch):
    """But one where nothing is gained by more, or the GPU is shared."""
    cores = len(os.sched_getaffinity(0))
    budgeted = PRESET.model_copy(update={"search": SearchConfig()})
    monkeypatch.setattr(local_pool, "nvidia_gpu_is_there", lambda: False)
    assert auto_workers(budgeted, "tensorflow") == cores
    assert auto_workers(budgeted, "population") == auto_workers(PRESET, "tensorflow") == 1
    monkeypatch.setattr(local_pool, "nvidia_gpu_is_there", lambda: True)
    assert auto_workers(budgeted, "tensorflow") == 1


def test_the_processors_are_shared_out():
    cores = len(os.sched_getaffinity(0))
    assert threads_each(1) == cores
    assert threads_each(10 * cores) == 1
    assert set(thread_settings(3).values()) == {"3"}
