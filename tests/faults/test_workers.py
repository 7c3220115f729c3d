"""Workers that are suspended, die again and again, are stopped, or lose their parent."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator

import psutil
import pytest
from sqlalchemy.exc import OperationalError

from search.execution.job import SearchStoppedError
from search.execution.local_pool import WorkerSpec
from search.execution.objective import Interrupted
from search.execution.runner import run_search
from search.storage.connection import open_storage
from search.study.trial_record import TrialRecord
from search.study.trials import count_trials, ending, is_lost, ordinals
from tests.conftest import ROOT, postgresql_is_slow
from tests.faults.conftest import write_replay
from tests.faults.replay import quiet, replay, replay_command, replay_crew, replay_order
from tests.search.conftest import load, table


def start(name: str, trials: int, url: str, seconds: float, **more: str) -> subprocess.Popen[str]:
    """A worker as another machine's job would be: without a parent that cares."""
    return subprocess.Popen(
        replay_command(name, trials, seconds),
        env={**os.environ, "STORAGE": url, "PYTHONPATH": str(ROOT), **more},
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(true, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def running(name: str, url: str) -> list:
    try:
        return [t for t in load(name, url).trials if ending(t) == "running"]
    except Exception:  # not made yet
        return []


@contextlib.contextmanager
def stopped(pids: Iterable[int]) -> Iterator[None]:
    """Stop these processes while the block runs, so that what is seen of them is still so."""

    def send(number: int) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    send(signal.SIGSTOP)
    try:
        yield
    finally:
        send(signal.SIGCONT)


def suspend_between_transactions(process: subprocess.Popen[str], url: str) -> None:
    """Suspend it where it holds no lock; who does keeps all others of SQLite from writing."""
    storage = open_storage(url)
    others = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"
    while True:
        process.send_signal(signal.SIGSTOP)
        try:
            with storage.engine.begin() as connection:
                if storage.engine.dialect.name == "sqlite":  # it has begun, so nobody else has
                    return
                if connection.exec_driver_sql(others).scalar() == 0:
                    return
        except OperationalError:
            pass
        process.send_signal(signal.SIGCONT)
        time.sleep(0.1)


@postgresql_is_slow
def test_a_late_result_does_not_overwrite_the_second_try(replayed, url, monkeypatch):
    """Suspended for longer than its heartbeat, a worker loses its trial to another; when it goes
    on, it notices, drops the result, and works on."""
    monkeypatch.setattr("search.storage.dialects.SQLITE_BUSY_SECONDS", 1)
    write_replay("heartbeat = 3")
    late = start("late", 3, url, seconds=5)  # long enough to be caught within an epoch
    wait_until(lambda: any(t.intermediate_values for t in running("late", url)))
    suspend_between_transactions(late, url)
    other = start("late", 3, url, seconds=0)
    wait_until(lambda: count_trials(load("late", url).trials).lost == 1)
    late.send_signal(signal.SIGCONT)
    assert (late.communicate(timeout=300)[1], late.returncode) == ("", 0)
    assert (other.communicate(timeout=300)[1], other.returncode) == ("", 0)
    trials = load("late", url).trials
    assert [ending(t) for t in trials].count("lost") == 1
    lost, again = trials[0], next(t for t in trials if TrialRecord.of(t).retry_of == 0)
    assert is_lost(lost)
    assert lost.value is None
    assert TrialRecord.of(again).worker.pid == other.pid
    assert again.params == lost.params
    assert count_trials(trials).finished == 3
    assert sorted(ordinals(trials).values()) == [0, 1, 2]


@pytest.mark.slow
def test_a_worker_that_lives_keeps_its_trial_beyond_two_heartbeats(replayed, url):
    write_replay("heartbeat = 5")
    slow = start("slow", 2, url, seconds=4)  # 12 s a trial
    wait_until(lambda: running("slow", url))
    other = start("slow", 2, url, seconds=0)
    assert slow.communicate(timeout=300)[1] == other.communicate(timeout=300)[1] == ""
    assert count_trials(load("slow", url).trials).lost == 0


@pytest.mark.slow
def test_workers_that_were_suspended_together_take_nothing_from_each_other(replayed, url):
    """As with a laptop, or a container that is frozen: who wakes first has not listened either.

    Slow, as they sleep for more than two heartbeats."""
    write_replay("heartbeat = 6")
    slow = start("asleep", 2, url, seconds=7)
    wait_until(lambda: running("asleep", url))
    other = start("asleep", 2, url, seconds=0)
    wait_until(lambda: count_trials(load("asleep", url).trials).finished == 1)
    for worker in (slow, other):
        worker.send_signal(signal.SIGSTOP)
    time.sleep(13)  # more than two heartbeats
    other.send_signal(signal.SIGCONT)
    time.sleep(2.5)  # it has looked by now
    slow.send_signal(signal.SIGCONT)
    for worker in (slow, other):
        assert (worker.communicate(timeout=300)[1], worker.returncode) == ("", 0)
    trials = load("asleep", url).trials
    assert len(trials) == count_trials(trials).finished == 2


def test_a_worker_that_dies_again_and_again_ends_the_search(replayed):
    spec = WorkerSpec([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], 2)
    url = "sqlite:///studies/results/studies.db"
    with pytest.raises(SearchStoppedError, match=r"has died 4 times in a row.* signal 9"):
        run_search(replay_order("dying", 4, url), quiet(), spec)


def test_what_a_worker_says_in_the_end_is_what_the_search_says(replayed):
    spec = WorkerSpec([sys.executable, "-c", "import sys; sys.exit('error: x: no such thing')"], 1)
    url = "sqlite:///studies/results/studies.db"
    with pytest.raises(SearchStoppedError, match=r"^x: no such thing$"):
        run_search(replay_order("saying", 4, url), quiet(), spec)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_one_signal_ends_all_workers_cleanly(replayed, number):
    url = "sqlite:///studies/results/studies.db"

    def stop() -> None:
        wait_until(lambda: len(running("stopped", url)) == 2)
        os.kill(os.getpid(), number)

    others = psutil.Process().children()  # of tests before, such as multiprocessing's
    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(Interrupted):
        replay_crew(2, "stopped", 50, url, seconds=0.5)
    thread.join()
    assert set(psutil.Process().children()) <= set(others)
    counts = count_trials(load("stopped").trials)
    assert (counts.running, counts.failed) == (0, 0)
    assert counts.lost <= 2  # fewer where one was between two trials


def test_workers_end_with_their_parent(replayed):
    """A parent that is killed cannot tell them: they see that they have another one now."""
    url = "sqlite:///studies/results/studies.db"
    probe = (
        f"import tests.faults.replay as r\nr.replay_crew(2, 'orphans', 50, {url!r}, seconds=0.5)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen([sys.executable, "-c", probe], env=environment)
    wait_until(lambda: len(running("orphans", url)) == 2)
    workers = psutil.Process(parent.pid).children()
    parent.kill()
    parent.wait()
    gone, alive = psutil.wait_procs(workers, timeout=300)
    assert (len(gone), alive) == (2, [])
    assert count_trials(load("orphans").trials).running == 0


@postgresql_is_slow
def test_trials_are_met_exactly_with_more_workers_than_trials(replayed, url):
    study = replay_crew(5, "few", 3, url, seconds=0.2)
    assert (len(study.trials), count_trials(study.trials).finished) == (3, 3)


@postgresql_is_slow
def test_a_grid_is_searched_once_by_many(replayed, url):
    path = replayed / "studies/replay.toml"
    path.write_text("[space]\ndropout=[0.0,0.1,0.2]\nbatch_size=[10,20]\n[sampler]\nname='grid'\n")
    study = replay_crew(3, "grid", 20, url, seconds=0.05)
    points = {tuple(sorted(t.params.items())) for t in study.trials}
    assert len(points) == len(study.trials) == 6


def test_with_a_lag_the_history_is_what_has_ended_by_then(replayed):
    """The same whichever way the others are done; and less is known than without one."""
    write_replay("lag = 2")
    lagged = table(replay("lagged", 14, "sqlite:///a.db"))
    assert table(replay_crew(2, "lagged", 14, "sqlite:///b.db", seconds=0.01)) == lagged
    write_replay()
    assert table(replay("lagged", 14, "sqlite:///c.db")) != lagged
