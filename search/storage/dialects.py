"""How connections to SQLite and PostgreSQL are set up, so that many processes can share a study."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, event

SQLITE_BUSY_SECONDS = 90
"""How long SQLite waits for another process's lock before it gives up: its busy timeout."""
POSTGRESQL_IDLE_SECONDS = 45
"""After how long PostgreSQL ends a transaction whose process sends no statement."""
POSTGRESQL_LOCK_SECONDS = 900
"""How long a statement waits for a lock there. Each process that is ahead of it holds the lock for
POSTGRESQL_IDLE_SECONDS at most, so that a long wait only means that there are many of them."""

DURABLE = "durable"
"""The execution option of an engine whose commits wait for the disk; see `set_up`."""
_SYNCHRONOUS = "synchronous"


def set_up(engine: Engine) -> None:
    """Let every connection that the engine makes from now on have this project's settings.

    SQLite gets a write-ahead log, a long busy timeout, and transactions that take the write lock
    when they begin (BEGIN IMMEDIATE). With the driver's deferred locks two workers can claim one
    enqueued trial, and turning a read lock into a write lock fails without waiting. With the
    execution option DURABLE set to False its commits do not wait for the disk.

    PostgreSQL gets timeouts for waiting, and for idling within a transaction.
    """
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_immediate)
    elif engine.dialect.name == "postgresql":
        event.listen(engine, "connect", _set_up_postgresql)
    engine.dispose()  # connections that were made before


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins no transactions of its own
    connection.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_SECONDS * 1000}")
    connection.execute("PRAGMA journal_mode = WAL")


def _set_up_postgresql(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{POSTGRESQL_LOCK_SECONDS}s'")
        idle = f"'{POSTGRESQL_IDLE_SECONDS}s'"
        cursor.execute(f"SET idle_in_transaction_session_timeout = {idle}")
    connection.commit()


def _begin_immediate(connection: Connection) -> None:
    level = "FULL" if connection.get_execution_options().get(DURABLE, True) else "NORMAL"
    if connection.info.get(_SYNCHRONOUS) != level:
        connection.exec_driver_sql(f"PRAGMA {_SYNCHRONOUS} = {level}")
        connection.info[_SYNCHRONOUS] = level
    connection.exec_driver_sql("BEGIN IMMEDIATE")
