"""What belongs together is written together: all of it, or nothing after a kill or an exception."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
from collections import Counter

import optuna
import pytest
import sqlalchemy

from search.storage.connection import open_storage
from search.storage.errors import StorageError, storage_errors_explained
from search.storage.optuna_internals import storage_of
from search.storage.transactions import study_lock, transaction
from tests.conftest import ROOT
from tests.faults.conftest import write_replay
from tests.faults.replay import replay
from tests.search.conftest import load

HOLD = """
import sys, time, optuna
from search.storage import dialects, transactions
from search.storage.connection import open_storage
from search.storage.optuna_internals import storage_of
dialects.POSTGRESQL_IDLE_SECONDS = 1
optuna.logging.set_verbosity(optuna.logging.ERROR)
url, within = sys.argv[1:]
study = optuna.load_study(study_name="s", storage=open_storage(url))
with getattr(transactions, within)(study):
    storage_of(study).set_trial_user_attr(1, "first", 1)
    print("half", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def study(url) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(storage=open_storage(url), study_name="s")
    study.ask()
    return study


def half_way(url: str, within: str) -> subprocess.Popen[str]:
    """Another process in the middle of a transaction."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, url, within],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    return process


def test_an_exception_leaves_nothing(url, study):

    def fail_half_way() -> None:
        with transaction(study):
            storage_of(study).set_trial_user_attr(1, "first", 1)
            assert storage_of(study).get_trial(1).user_attrs == {"first": 1}
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert load("s", url).trials[0].user_attrs == {}
    with transaction(study):
        storage_of(study).set_trial_user_attr(1, "second", 2)
    assert load("s", url).trials[0].user_attrs == {"second": 2}


@pytest.mark.parametrize("within", ["transaction", "study_lock"])
def test_a_kill_leaves_nothing_and_gives_the_lock_back(url, study, within):
    process = half_way(url, within)
    process.kill()
    process.communicate()
    with study_lock(study):
        assert storage_of(study).get_trial(1).user_attrs == {}


def test_postgresql_takes_the_lock_from_a_worker_that_is_suspended(project, postgres_url):
    study = optuna.create_study(storage=open_storage(postgres_url), study_name="s")
    study.ask()
    process = half_way(postgres_url, "study_lock")
    process.send_signal(signal.SIGSTOP)
    with study_lock(study):
        assert storage_of(study).get_trial(1).user_attrs == {}
    process.kill()
    process.communicate()


def test_one_that_keeps_the_lock_for_too_long_is_one_sentence(url, study, monkeypatch):
    monkeypatch.setattr("search.storage.dialects.SQLITE_BUSY_SECONDS", 1)
    monkeypatch.setattr("search.storage.dialects.POSTGRESQL_LOCK_SECONDS", 1)
    said = r"cannot be used: .*: other processes have held its lock for 1 s; if one is suspended"
    other = optuna.load_study(study_name="s", storage=open_storage(url))
    with (
        study_lock(study),
        pytest.raises(StorageError, match=said),
        storage_errors_explained(url),
        study_lock(other),
    ):
        pass


def test_a_trial_makes_few_transactions(replayed, url):
    """One to claim it, two to sample it, one an epoch, one to end it, and one look afterwards."""
    write_replay(epochs=8)
    counts: Counter[str] = Counter()

    def count(connection: sqlalchemy.Connection) -> None:
        if threading.current_thread() is threading.main_thread():  # a heartbeat may come between
            counts["commits"] += 1

    replay("few", 12, url)  # beyond the first ten, which are not modelled
    sqlalchemy.event.listen(sqlalchemy.Engine, "commit", count)
    try:
        replay("few", 12, url)  # nothing to do: what opening costs
        opening = counts.pop("commits")
        replay("few", 22, url)
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "commit", count)
    epochs = sum(trial.user_attrs["epochs_run"] for trial in load("few", url).trials[12:])
    assert counts["commits"] <= opening + epochs + 5 * 10 + 6


def test_a_trials_end_waits_for_the_disk_and_its_epochs_do_not(replayed):
    """So that a power cut takes the trial in hand alone: a commit that waits takes along all that
    came before it."""
    url = "sqlite:///studies/results/studies.db"
    replay("few", 1, url)
    done = "SELECT (SELECT count(*) FROM trials WHERE state != 'RUNNING'), count(*) FROM "
    done += "trial_intermediate_values"
    seen: list[tuple[int, int, bool]] = []

    def note(connection: sqlalchemy.Connection) -> None:
        waits = connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        seen.append((*connection.exec_driver_sql(done).one(), waits))

    sqlalchemy.event.listen(sqlalchemy.Engine, "commit", note)
    try:
        replay("few", 3, url)
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "commit", note)
    pairs = list(itertools.pairwise(seen))
    assert [after[2] for before, after in pairs if after[0] > before[0]] == [True, True]
    epochs = [after[2] for before, after in pairs if after[1] > before[1]]
    assert len(epochs) >= 2
    assert not any(epochs)
