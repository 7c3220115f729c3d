"""Opens Optuna's storage: SQLite so that it can be shared and survives kills, or any other URL."""

from __future__ import annotations

import fcntl
import re
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from fmnist_model.errors import UserError
from search.defaults import DEFAULT_URL

BUSY_SECONDS = 90
"""How long to wait for another process's lock before giving up."""


class StorageError(UserError):
    """A storage cannot be opened, or does not hold what was asked for."""


def open_storage(url: str, heartbeat: int | None = None) -> RDBStorage:
    """Open a storage for reading and writing; a SQLite file is made if it is absent.

    `heartbeat` is the seconds after which a running trial is to be heard of again.

    SQLite gets a write-ahead log, a long busy timeout, and transactions that take the write lock
    when they begin (BEGIN IMMEDIATE): with the driver's late locks two workers can claim one
    enqueued trial, and upgrades of a read lock fail without waiting.
    """
    file = sqlite_file(url)
    if file is None:
        return _connect(url, {"pool_pre_ping": True}, heartbeat_interval=heartbeat)
    if url == DEFAULT_URL:
        file.parent.mkdir(parents=True, exist_ok=True)
    if not file.parent.is_dir():
        raise StorageError(f"{file.parent}: no such directory; make it, or correct STORAGE=")
    engine_kwargs = {"connect_args": {"timeout": BUSY_SECONDS}}
    storage = _connect(url, engine_kwargs, heartbeat_interval=heartbeat)
    sqlalchemy.event.listen(storage.engine, "connect", _prepare_sqlite)
    sqlalchemy.event.listen(storage.engine, "begin", _begin_immediate)
    storage.scoped_session.remove()
    storage.engine.dispose()
    return storage


def open_read_only(url: str) -> RDBStorage:
    """Open an existing storage without writing to it; raise StorageError where there is none."""
    file = sqlite_file(url)
    if file is None:
        return _connect(url, skip_table_creation=True)
    if not file.is_file():
        raise StorageError(f"{file}: no such database; make search creates it, STORAGE= names it")
    return _connect(
        f"sqlite:///file:{quote(str(file))}?mode=ro&uri=true", given=url, skip_table_creation=True
    )


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite URL, or None for another database; raise StorageError if malformed."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        hidden = re.sub(r"//[^/]*@", "//***@", url)
        raise StorageError(
            f"STORAGE={hidden!r} is not a database URL; an example is {DEFAULT_URL}"
        ) from None
    if parsed.get_backend_name() != "sqlite":
        return None
    if not parsed.database or parsed.database == ":memory:":
        raise StorageError(f"STORAGE={url!r} names no file; an example is {DEFAULT_URL}")
    return Path(parsed.database)


def shown(url: str) -> str:
    """The URL as it may be printed and kept: without its passwords."""
    parsed = make_url(url)
    secrets = {key: "***" for key in parsed.query if "password" in key}
    return parsed.update_query_dict(secrets).render_as_string(hide_password=True)


@contextmanager
def locked(storage: RDBStorage, study_id: int) -> Iterator[None]:
    """Hold the lock of a study, which one worker at a time can have; a kill gives it back.

    SQLite has it as a lock on a file beside the database, others as a lock on the study's preset.
    Raises StorageError after BUSY_SECONDS.
    """
    file = sqlite_file(storage.url)
    with _file_locked(file) if file is not None else _row_locked(storage, study_id):
        yield


@contextmanager
def _file_locked(database: Path) -> Iterator[None]:
    path = database.with_name(f"{database.name}.lock")
    deadline = time.monotonic() + BUSY_SECONDS
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StorageError(
                        f"{path}: another worker has held this lock for {BUSY_SECONDS} s; if it "
                        f"is suspended, let it go on or kill it"
                    ) from None
                time.sleep(0.005)
        yield


@contextmanager
def _row_locked(storage: RDBStorage, study_id: int) -> Iterator[None]:
    study: sqlalchemy.ColumnClause[int] = sqlalchemy.column("study_id")
    key: sqlalchemy.ColumnClause[str] = sqlalchemy.column("key")
    rows = sqlalchemy.select(study).select_from(sqlalchemy.table("study_user_attributes"))
    preset = rows.where(study == study_id, key == "preset").with_for_update()
    with storage.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'")
        connection.execute(preset)
        yield


@contextmanager
def faults_explained(url: str) -> Iterator[None]:
    """Turn what a database raises within the block into a StorageError of one sentence."""
    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) else error
        fault = str(getattr(cause, "orig", None) or cause).strip().splitlines()[0]
        raise StorageError(f"{shown(url)}: the database cannot be used: {fault}") from error


def _connect(
    url: str, engine_kwargs: dict[str, Any] | None = None, given: str | None = None, **more: Any
) -> RDBStorage:
    given = given or url
    with faults_explained(given):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)  # of heartbeats
                return _made(lambda: RDBStorage(url, engine_kwargs=engine_kwargs, **more))
        except (ImportError, NoSuchModuleError) as error:
            raise StorageError(
                f"{shown(given)}: its database driver is not installed; for PostgreSQL run "
                f".venv/bin/pip install -c requirements.lock -e '.[postgres]'"
            ) from error
        except RuntimeError as error:  # a schema of another version of Optuna
            raise StorageError(f"{shown(given)}: {str(error).splitlines()[0]}") from error


def _made(make: Callable[[], RDBStorage]) -> RDBStorage:
    """Make the storage, and once more where it fails: workers that begin together on an empty
    database stumble over the tables that another is making."""
    try:
        return make()
    except SQLAlchemyError:
        time.sleep(1)
        return make()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins no transactions of its own
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    connection.execute("PRAGMA journal_mode = WAL")


def _begin_immediate(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
