"""Workers killed at random moments: nothing is lost, nothing is done twice."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import threading
import time

import psutil
import pytest

from search import pool
from search.processes import WORKER
from search.storage import StorageError, sqlite_file
from search.trials import RETRY_OF, is_lost, tally
from tests.faults.conftest import write_replay
from tests.faults.replay import replay, replay_crew
from tests.faults.test_workers import running
from tests.search.conftest import load, table


def is_worker(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):  # a zombie, too
        return "benchmarks.replay" in process.cmdline()
    return False


class Killer(threading.Thread):
    """Kills a random worker, at random moments, but never two before another trial has finished,
    and none at a second try: a trial that is killed twice has failed."""

    def __init__(self, url: str, kills: int) -> None:
        super().__init__(daemon=True)
        self.url, self.kills, self.done = url, kills, 0
        self.random = random.Random(kills)

    def run(self) -> None:
        finished = -1
        while self.done < self.kills:
            time.sleep(self.random.uniform(0, 0.2))
            with contextlib.suppress(StorageError, KeyError, psutil.NoSuchProcess):
                now = tally(load("killed", self.url).trials).finished
                workers = [child for child in psutil.Process().children() if is_worker(child)]
                if self.random.random() < 0.8:  # of five, four at work, one wherever it is
                    busy = {t.user_attrs[WORKER]["pid"] for t in running("killed", self.url)}
                    workers = [worker for worker in workers if worker.pid in busy]
                if workers and now > finished and self.kill(self.random.choice(workers)):
                    self.done, finished = self.done + 1, now

    def kill(self, worker: psutil.Process) -> bool:
        """Stop it, look what it is at, and kill it or let it go on."""
        worker.suspend()
        for trial in running("killed", self.url):
            if trial.user_attrs[WORKER]["pid"] == worker.pid and RETRY_OF in trial.user_attrs:
                worker.resume()
                return False
        worker.kill()
        return True


@pytest.mark.slow
def test_thirty_kills_over_sixty_trials(replayed, url, monkeypatch):
    """With a lag of 4 the study even equals one of a single worker that nobody killed."""
    monkeypatch.setattr(pool, "MAX_REPLACEMENTS", 30)  # they are dealt out at random
    write_replay("lag = 4")
    straight = table(replay("straight", 60, "sqlite:///straight.db"))
    killer = Killer(url, 30)
    killer.start()
    killed = replay_crew(4, "killed", 60, url, seconds=1)
    assert killer.done == 30
    counts = tally(killed.trials)
    assert (counts.finished, counts.running, counts.waiting, counts.failed) == (60, 0, 0, 0)
    assert counts.lost >= 10  # others died while they started or between two trials
    assert table(killed) == straight
    lost = sorted(trial.number for trial in killed.trials if is_lost(trial))
    retried = sorted(t.user_attrs[RETRY_OF] for t in killed.trials if RETRY_OF in t.user_attrs)
    assert retried == lost
    if (file := sqlite_file(url)) is not None:
        with contextlib.closing(sqlite3.connect(file)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
