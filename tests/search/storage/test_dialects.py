"""Connections as they are set up: asked of the databases themselves."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, event

from search.storage.connection import open_storage
from search.storage.rdb import backend
from search.storage.transactions import transaction


def setting(engine: Engine, statement: str) -> object:
    with engine.connect() as connection:
        return connection.exec_driver_sql(statement).scalar()


def test_sqlite_has_a_write_ahead_log_and_a_busy_timeout(project):
    engine = open_storage("sqlite:///studies/results/studies.db").engine
    assert setting(engine, "PRAGMA journal_mode") == "wal"
    assert setting(engine, "PRAGMA busy_timeout") == 90_000


def test_postgresql_has_its_timeouts(postgres_url):
    engine = open_storage(postgres_url).engine
    assert setting(engine, "SHOW lock_timeout") == "15min"
    assert setting(engine, "SHOW idle_in_transaction_session_timeout") == "45s"


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_durable_transaction_of_sqlite_waits_for_the_disk(study):
    """SQLite's levels: 1 is NORMAL, 2 is FULL."""
    levels: list[object] = []
    event.listen(
        backend(study).engine,
        "commit",
        lambda connection: levels.append(connection.exec_driver_sql("PRAGMA synchronous").scalar()),
    )
    for durable in (True, False, True):
        with transaction(study, durable):
            study.set_user_attr("a", durable)
    assert levels == [2, 1, 2]
