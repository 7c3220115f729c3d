"""Workers killed at random moments: nothing is lost, nothing is done twice.

Slow, as thirty workers are started. tests/faults/test_deadly.py kills fewer.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import threading
import time

import psutil
import pytest
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial

from search.execution import local_pool
from search.storage.connection import sqlite_file
from search.study.trial_record import TrialRecord
from search.study.trials import count_trials, ending, is_lost
from tests.faults.conftest import write_replay
from tests.faults.replay import STAND_IN, replay, replay_crew
from tests.faults.test_workers import running, stopped, wait_until
from tests.search.conftest import load, table


def is_worker(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):  # a zombie, too
        return STAND_IN in process.cmdline()
    return False


class Killer(threading.Thread):
    """Kills a random worker, at random moments, but never two before another trial has finished,
    and none at a second try: a trial that is killed twice has failed.

    All are stopped while it looks, so that it is as quick as they are on any machine.
    """

    def __init__(self, url: str, kills: int) -> None:
        super().__init__(daemon=True)
        self.url, self.kills, self.done, self.finished = url, kills, 0, -1
        self.random = random.Random(kills)

    def run(self) -> None:
        wait_until(lambda: running("killed", self.url))
        study = load("killed", self.url)
        while self.done < self.kills:
            time.sleep(self.random.uniform(0, 0.3))
            workers = [child.pid for child in psutil.Process().children() if is_worker(child)]
            with stopped(workers), contextlib.suppress(StorageInternalError):  # it is locked
                self.look(study.get_trials(deepcopy=False), workers)

    def look(self, trials: list[FrozenTrial], workers: list[int]) -> None:
        at_work = {TrialRecord.of(t).worker.pid: t for t in trials if ending(t) == "running"}
        if self.random.random() < 0.8:  # of five, four at work, one wherever it is
            workers = [pid for pid in workers if pid in at_work]
        spared = [p for p, t in at_work.items() if TrialRecord.of(t).retry_of is not None]
        workers = [pid for pid in workers if pid not in spared]
        if workers and count_trials(trials).finished > self.finished:
            os.kill(self.random.choice(workers), signal.SIGKILL)
            self.done, self.finished = self.done + 1, count_trials(trials).finished


@pytest.mark.slow
def test_thirty_kills_over_sixty_trials(replayed, url, monkeypatch):
    """With a lag of 4 the study even equals one of a single worker that nobody killed."""
    monkeypatch.setattr(local_pool, "MAX_REPLACEMENTS", 30)  # they are dealt out at random
    write_replay("lag = 4")
    straight = table(replay("straight", 60, "sqlite:///straight.db"))
    killer = Killer(url, 30)
    killer.start()
    killed = replay_crew(4, "killed", 60, url, seconds=0.5)
    assert killer.done == 30
    counts = count_trials(killed.trials)
    assert (counts.finished, counts.running, counts.waiting, counts.failed) == (60, 0, 0, 0)
    assert counts.lost >= 10  # others died while they started or between two trials
    assert table(killed) == straight
    lost = sorted(trial.number for trial in killed.trials if is_lost(trial))
    of = [TrialRecord.of(trial).retry_of for trial in killed.trials]
    retried = sorted(number for number in of if number is not None)
    assert retried == lost
    if (file := sqlite_file(url)) is not None:
        with contextlib.closing(sqlite3.connect(file)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
