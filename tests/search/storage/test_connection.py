"""Storages: SQLite prepared for many processes, read-only where it is only looked at."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import optuna
import pytest

from search.storage.connection import open_read_only, open_storage, sqlite_file
from search.storage.errors import StorageError

URL = "sqlite:///studies/results/studies.db"


def test_no_waiting_trial_is_claimed_twice(project):
    """Eight threads, each with a storage of its own, claim 60 enqueued trials."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(storage=open_storage(URL), study_name="s")
    for number in range(60):
        study.enqueue_trial({"x": number})
    claimed: list[int] = []

    def claim() -> None:
        own = optuna.load_study(study_name="s", storage=open_storage(URL))
        for _ in range(10):
            trial = own.ask()
            if trial.number < 60:
                claimed.append(trial.number)

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == list(range(60))


def test_looking_writes_nothing(project):
    study = optuna.create_study(storage=open_storage(URL), study_name="s")
    before = Path("studies/results/studies.db").read_bytes()
    read_only = optuna.load_study(study_name="s", storage=open_read_only(URL))
    assert read_only.trials == []
    with pytest.raises(optuna.exceptions.StorageInternalError) as caught:
        read_only.ask()
    assert "readonly database" in str(caught.value.__cause__)
    assert Path("studies/results/studies.db").read_bytes() == before
    assert study.trials == []


def test_a_missing_database_is_not_created(project):
    with pytest.raises(StorageError, match=r"studies.db: no such database; a search creates it"):
        open_read_only(URL)
    assert not Path("studies/results/studies.db").exists()


@pytest.mark.parametrize("open_it", [open_storage, open_read_only])
def test_a_file_that_is_no_database(project, open_it):
    Path("broken.db").write_bytes(b"this is no database, it only looks long enough for one" * 50)
    with pytest.raises(StorageError, match="the database cannot be used: file is not a database"):
        open_it("sqlite:///broken.db")


def test_a_database_of_something_else(project):
    with sqlite3.connect("other.db") as connection:
        connection.execute("CREATE TABLE t (x)")
    with pytest.raises(StorageError, match="no such table: version_info"):
        open_read_only("sqlite:///other.db")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("studies.db", "is not a database URL; an example is sqlite:///"),
        ("sqlite://", "names no file"),
        (
            "sqlite:///nowhere/studies.db",
            "nowhere: no such directory; make it, or correct the URL",
        ),
        ("nosuch://host/db", "its database driver is not installed"),
    ],
)
def test_a_url_that_does_not_work(project, url, said):
    with pytest.raises(StorageError, match=said):
        open_storage(url)


def test_the_file_of_a_url():
    assert sqlite_file("sqlite:///a/b.db") == Path("a/b.db")
    assert sqlite_file("postgresql+psycopg://me:secret@host/db") is None
