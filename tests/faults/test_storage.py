"""Databases that are full, locked, read-only, or not ours: one sentence, and nothing is lost."""

from __future__ import annotations

import contextlib
import os
import resource
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import optuna
import pytest

from search.storage.connection import open_storage
from search.storage.errors import StorageError
from search.study.study import StudyMismatchError
from search.study.trials import count_trials, ending
from tests.conftest import DATA, ROOT
from tests.faults.conftest import write_replay
from tests.faults.replay import replay, replay_command
from tests.faults.test_workers import running, wait_until
from tests.search.conftest import load

URL = "sqlite:///studies/results/studies.db"


def integrity(path: str | Path) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone()[0]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 6 MB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small tmpfs cannot be mounted here (it takes root and its capabilities)")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_one_sentence_and_the_search_goes_on_after(replayed, small_disk):
    url = f"sqlite:///{small_disk}/studies.db"
    filler = small_disk / "filler"
    filler.write_bytes(bytes(5_400_000))
    environment = {**os.environ, "STORAGE": url, "PYTHONPATH": str(ROOT)}
    command = replay_command("full", 90, 0)
    done = subprocess.run(
        [*command, "--parent", str(os.getpid())],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"error: {url}: the database cannot be used: ")
    assert "disk" in done.stderr
    assert done.stderr.count("\n") == 1
    filler.unlink()
    assert integrity(small_disk / "studies.db") == "ok"
    before = count_trials(load("full", url).trials)
    study = replay("full", before.finished + 2, url)
    assert count_trials(study.trials).finished == before.finished + 2
    assert count_trials(study.trials).running == 0


def test_a_directory_that_cannot_be_written(replayed):
    """Root may write anywhere, so for root it is on a file system that nobody may write to."""
    place = replayed / "closed"
    place.mkdir(mode=0o555)
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(place)]
    if os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("root writes anywhere, and no read-only tmpfs can be mounted here")
    try:
        with pytest.raises(StorageError) as error:
            open_storage("sqlite:///closed/studies.db")
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", "-l", str(place)], check=True)
    assert str(error.value) == (
        "sqlite:///closed/studies.db: the database cannot be used: unable to open database file"
    )


LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
"""


@contextlib.contextmanager
def held():
    """Another process's write lock on the database, until the block ends or it is told to go."""
    process = subprocess.Popen(
        [sys.executable, "-c", LOCK, "studies/results/studies.db"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.communicate()


HELD_SECONDS = float(os.environ.get("HELD_SECONDS", "3"))


def test_a_lock_that_goes_away_in_time_costs_only_time(replayed):
    """The default is short; HELD_SECONDS=60 takes as long as that."""
    replay("locked", 1, URL)
    started = time.monotonic()
    with held() as process:
        timer = threading.Timer(HELD_SECONDS, lambda: print(file=process.stdin, flush=True))
        timer.start()
        assert count_trials(replay("locked", 2, URL).trials).finished == 2
        timer.join()
    assert time.monotonic() - started > HELD_SECONDS


def test_a_lock_that_stays_is_one_sentence(replayed, monkeypatch):
    replay("locked", 1, URL)
    with monkeypatch.context() as patched:
        patched.setattr("search.storage.dialects.SQLITE_BUSY_SECONDS", 1)
        with held(), pytest.raises(StorageError, match="cannot be used: database is locked"):
            replay("locked", 2, URL)
    assert count_trials(replay("locked", 2, URL).trials).finished == 2


def test_a_database_of_a_newer_version(replayed, url):
    replay("new", 1, url)
    with open_storage(url).engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'v99.0.0'")
    with pytest.raises(StorageError) as caught:
        replay("new", 2, url)
    assert "\n" not in str(caught.value)
    assert "version" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_another_study_is_refused(replayed, url):
    """One with another question, and one that is not ours."""
    replay("question", 1, url)
    write_replay(epochs=4)
    with pytest.raises(StudyMismatchError, match=r"train.epochs is 4, was 3; go back to them, or"):
        replay("question", 2, url)
    foreign = optuna.create_study(storage=open_storage(url), study_name="foreign")
    foreign.add_trial(optuna.create_trial(value=1.0))
    with pytest.raises(StudyMismatchError, match="was not made by this program"):
        replay("foreign", 2, url)


def test_a_clock_that_was_set_back_keeps_no_trial_from_being_tried_again(replayed):
    """Heartbeats then lie in the future; the process is seen to be gone all the same."""
    gone = subprocess.Popen(
        replay_command("back", 2, 5, "--parent", str(os.getpid())),
        env={**os.environ, "STORAGE": URL, "PYTHONPATH": str(ROOT)},
    )
    wait_until(lambda: running("back", URL))
    gone.kill()
    gone.wait()
    with contextlib.closing(sqlite3.connect("studies/results/studies.db")) as connection:
        connection.execute("UPDATE trial_heartbeats SET heartbeat = '2999-01-01 00:00:00'")
        connection.execute("UPDATE trials SET datetime_start = '2999-01-01 00:00:00'")
        connection.commit()
    counts = count_trials(replay("back", 2, URL).trials)
    assert (counts.finished, counts.lost, counts.running) == (2, 1, 0)


BIG = """
[model]
filters = [4, 8]

[train]
epochs = 1

[data]
limit = 500

[space]
dense_units = [16, 30000000]

[[arms]]
name = "a network of 24 GB"
params = { dense_units = 30000000 }

[[arms]]
name = "a small one"
params = { dense_units = 16 }
"""


@pytest.mark.slow
def test_a_trial_that_wants_too_much_memory_fails_with_its_reason(replayed):
    """Twice, and then the search goes on; TensorFlow really allocates, within a real limit.

    Slow, as a process of its own builds two large networks and trains a third."""
    Path("studies/big.toml").write_text(BIG)
    command = [sys.executable, "-m", "search", "run", "--study", "big", "--trials", "1"]
    done = subprocess.run(
        [*command, "--data", str(DATA)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (16 * 2**30, 16 * 2**30)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    trials = load("big").trials
    assert [ending(trial) for trial in trials] == ["failed", "failed", "completed"]
    assert "OOM when allocating tensor" in trials[0].user_attrs["error"]
    assert "OOM when allocating tensor" in done.stdout
