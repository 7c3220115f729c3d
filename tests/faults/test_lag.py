"""Parallel and yet repeatable: one worker, or four of which two are killed, train the same.

Slow, as five processes train. tests/faults/test_workers.py compares searches that only seem to.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time

import optuna
import psutil
import pytest

from search.storage.errors import StorageError
from search.study.trial_record import TrialRecord
from search.study.trials import count_trials
from tests.conftest import DATA
from tests.faults.test_workers import stopped
from tests.search.conftest import load, table, write_preset


def opened(name: str, url: str) -> optuna.Study:
    """The study, as soon as there is one. It is opened once: that takes longer than a trial may."""
    while True:
        with contextlib.suppress(StorageError, KeyError):
            return load(name, url)
        time.sleep(0.05)


def kill_two(name: str, url: str, killed: list[int]) -> None:
    """Kill a worker at its work after the second and after the sixth finished trial."""
    study = opened(name, url)
    for kills, wanted in enumerate((2, 6)):
        while len(killed) == kills:
            time.sleep(0.02)
            trials = study.get_trials(deepcopy=False)
            at_work = [
                t
                for t in trials
                if t.state.name == "RUNNING"
                and t.intermediate_values
                and TrialRecord.of(t).retry_of is None  # killed twice it would have failed
            ]
            if count_trials(trials).finished < wanted or not at_work:
                continue
            pid, number = TrialRecord.of(at_work[0]).worker.pid, at_work[0].number
            with contextlib.suppress(psutil.NoSuchProcess), stopped([pid]):
                if study.get_trials(deepcopy=False)[number].state.name == "RUNNING":
                    os.kill(pid, 9)
                    killed.append(number)


@pytest.mark.slow
def test_one_worker_and_four_with_two_kills_give_the_same_table(project, postgres_url):
    """Parameters, states, curves and values, to the last bit; real training, real kills; one in
    SQLite, four in PostgreSQL."""
    write_preset(epochs=6, more='activation = ["relu", "tanh"]\n[workers]\nlag = 4\n')
    command = [sys.executable, "-m", "search", "run", "--study", "tiny", "--trials", "14"]
    command += ["--threads", "1", "--data", str(DATA)]
    subprocess.run([*command, "--name", "one"], check=True, stdout=subprocess.DEVNULL)
    killed: list[int] = []
    killer = threading.Thread(target=kill_two, args=("four", postgres_url, killed), daemon=True)
    killer.start()
    done = subprocess.run(
        [*command, "--name", "four", "--workers", "4"],
        env={**os.environ, "STORAGE": postgres_url},
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(killed) == 2
    assert count_trials(load("four", postgres_url).trials).lost == 2
    assert done.stdout.count("was killed by signal 9; another takes its place") == 2
    assert table(load("four", postgres_url)) == table(load("one"))
