"""Clocks that are set in the middle of a search, or wrong from the beginning: nothing is lost.

Most of it is slow: a worker has to be waited for until it has missed several heartbeats.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.tools.postgres import CAREFREE, database, programs, server
from search.presets.files import load_preset
from search.storage.connection import sqlite_file
from search.study.trial_record import TrialRecord
from search.study.trials import count_trials, ending, is_lost
from studies.figures.history import timeline_data
from studies.figures.trial_frame import ended_trials, trial_table
from studies.report.summary import summarize
from tests.conftest import DATA, PATHS
from tests.faults.conftest import write_replay
from tests.faults.replay import replay
from tests.faults.test_storage import integrity
from tests.faults.test_workers import (
    running,
    start,
    stopped,
    suspend_between_transactions,
    wait_until,
)
from tests.search.conftest import URL, load, table, write_preset

HOUR, DAY = 3600, 86400


def slow_cases(*cases):
    """Marks these cases of a parametrised test as slow."""
    return [pytest.param(*case, marks=pytest.mark.slow) for case in cases]


class Clock:
    """The calendar's clock of all processes that are started in this environment."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "offset"
        self.set(0)
        library = directory / "clock.so"
        source = Path(__file__).parent / "clock.c"
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_OFFSET": str(self._file)}

    def set(self, seconds: int) -> None:
        """Be so many seconds ahead from now on."""
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("=q", seconds))


@pytest.fixture
def clock() -> Iterator[Clock]:
    if shutil.which("gcc") is None:
        pytest.skip("there is no gcc to make a clock with that can be set (Debian's package: gcc)")
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)  # PostgreSQL's user reads it, too
        yield Clock(Path(directory))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, project, clock) -> Iterator[str]:
    """The URL of a database of each kind; PostgreSQL's clock is set, too."""
    if request.param == "sqlite":
        yield URL
        return
    binaries = programs()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed (Debian's package is postgresql)")
    with server(binaries, CAREFREE, clock.environment) as socket:
        yield database(socket)


def set_within_a_trial(clock: Clock, seconds: int, pids: list[int], name: str, url: str) -> None:
    """Stop the processes while the last of them has a trial in hand; set the clock; let them go
    on."""

    def at_work() -> bool:
        return pids[-1] in [TrialRecord.of(trial).worker.pid for trial in running(name, url)]

    found = False
    while not found:
        wait_until(at_work)
        with stopped(pids):
            if found := at_work():
                clock.set(seconds)


def assert_times_make_sense(name: str, url: str, preset: str) -> None:
    """In the report, too, no time is negative, although some trial ended before it began."""
    trials = ended_trials(load(name, url).trials)
    assert any(trial.datetime_complete < trial.datetime_start for trial in trials)
    bars = timeline_data(trial_table(trials)).bars
    assert (bars["seconds"] > 0).all()
    assert bars["seconds"].sum() < DAY / 2
    found = summarize(load_preset(preset, PATHS.presets), trials)
    assert 0 < found.wall_seconds < DAY / 2
    assert found.train_seconds > 0


def test_the_calendar_is_moved_and_waiting_is_not(clock):
    """Were it not moved, no test below could fail."""
    clock.set(-DAY)
    look = (
        "import sqlite3, threading, time\n"
        "before = time.monotonic()\n"
        "threading.Event().wait(0.2)\n"
        "print(time.time(), time.monotonic() - before)\n"
        "print(sqlite3.connect(':memory:').execute('SELECT unixepoch()').fetchone()[0])\n"
    )
    environment = {**os.environ, **clock.environment}
    done = subprocess.run(
        [sys.executable, "-c", look], env=environment, capture_output=True, text=True, check=True
    )
    calendar, waited, of_sqlite = map(float, done.stdout.split())
    for seconds in (calendar, of_sqlite):
        assert abs(time.time() - DAY - seconds) < HOUR
    assert 0.2 <= waited < HOUR


@pytest.mark.parametrize(
    ("url", "seconds"),
    [
        ("sqlite", -DAY),
        *slow_cases(("sqlite", -HOUR), ("sqlite", DAY)),
        *slow_cases(("postgresql", -DAY), ("postgresql", -HOUR), ("postgresql", DAY)),
    ],
    indirect=["url"],
)
def test_a_clock_that_is_set_in_the_middle_changes_nothing(replayed, clock, url, seconds):
    """Two workers with a trial in hand each: both keep it, and the study equals one of a single
    worker whose clock nobody touched."""
    write_replay("lag = 4")
    straight = table(replay("straight", 8, "sqlite:///straight.db"))
    quick = start("set", 8, url, 0.1, **clock.environment)
    slow = start("set", 8, url, 1, **clock.environment)
    set_within_a_trial(clock, seconds, [quick.pid, slow.pid], "set", url)
    for worker in (quick, slow):
        assert (worker.communicate(timeout=300)[1], worker.returncode) == ("", 0)
    trials = load("set", url).trials
    assert len(trials) == count_trials(trials).finished == 8
    assert table(load("set", url)) == straight
    if seconds < 0:
        assert_times_make_sense("set", url, "replay")
    if (file := sqlite_file(url)) is not None:
        assert integrity(file) == "ok"


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [-DAY, DAY])
def test_a_worker_whose_clock_is_wrong_keeps_its_trial(replayed, clock, url, seconds):
    """For longer than two heartbeats, while another, whose clock is right, waits for it."""
    write_replay("heartbeat = 5")
    clock.set(seconds)
    wrong = start("wrong", 2, url, 4, **clock.environment)  # 12 s a trial
    wait_until(lambda: running("wrong", url))
    right = start("wrong", 2, url, 0)
    for worker in (wrong, right):
        assert (worker.communicate(timeout=300)[1], worker.returncode) == ("", 0)
    trials = load("wrong", url).trials
    assert len(trials) == count_trials(trials).finished == 2
    assert len({TrialRecord.of(trial).worker.pid for trial in trials}) == 2


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [-DAY, DAY])
def test_a_worker_whose_clock_is_wrong_and_that_is_suspended_loses_its_trial(
    replayed, clock, url, seconds, monkeypatch
):
    """After two heartbeats, and not after the day that its last one lies ahead."""
    monkeypatch.setattr("search.storage.dialects.SQLITE_BUSY_SECONDS", 1)
    write_replay("heartbeat = 2")
    clock.set(seconds)
    wrong = start("wrong", 2, url, 3, **clock.environment)
    wait_until(lambda: any(t.intermediate_values for t in running("wrong", url)))
    suspend_between_transactions(wrong, url)
    right = start("wrong", 2, url, 0)
    assert (right.communicate(timeout=300)[1], right.returncode) == ("", 0)
    wrong.send_signal(signal.SIGCONT)
    assert (wrong.communicate(timeout=300)[1], wrong.returncode) == ("", 0)
    trials = load("wrong", url).trials
    assert [ending(trial) for trial in trials].count("lost") == 1
    assert is_lost(trials[0])
    assert [t.params for t in trials if TrialRecord.of(t).retry_of == 0] == [trials[0].params]
    assert (count_trials(trials).finished, count_trials(trials).running) == (2, 0)


@pytest.mark.slow
def test_a_day_back_in_a_search_as_users_start_it(project, clock):
    """Real training in two workers, what is printed, and what the report says of its times."""
    write_preset(epochs=6, more="[workers]\nlag = 4\n")
    command = [sys.executable, "-m", "search", "run", "--study", "tiny", "--trials", "8"]
    command += ["--threads", "1", "--data", str(DATA)]
    subprocess.run([*command, "--name", "one"], check=True, stdout=subprocess.DEVNULL)
    search = subprocess.Popen(
        [*command, "--name", "set", "--workers", "2"],
        env={**os.environ, **clock.environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: running("set", URL))
    workers = psutil.Process(search.pid).children()
    set_within_a_trial(clock, -DAY, [worker.pid for worker in workers], "set", URL)
    output = search.communicate(timeout=300)[0]
    assert search.returncode == 0, output
    assert re.search(r"^this took 0:\d\d:\d\d$", output, re.MULTILINE)
    assert not re.search(r"-\d+(\.\d)? s|-\d+ days?", output)
    assert table(load("set")) == table(load("one"))
    assert count_trials(load("set").trials).lost == 0
    assert_times_make_sense("set", URL, "tiny")
