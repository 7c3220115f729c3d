"""Opens Optuna's storage: SQLite so that it can be shared and survives kills, or any other URL."""

from __future__ import annotations

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
from optuna.study import Study
from optuna.trial import TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from fmnist_model.utils.errors import UserError
from search.presets.defaults import DEFAULT_URL
from search.storage.rdb import FastRDBStorage

BUSY_SECONDS = 90
"""How long to wait for another process's lock before giving up."""
IDLE_SECONDS = 45
"""After how long without a word PostgreSQL takes a lock from a worker."""
QUEUE_SECONDS = 900
"""How long a worker waits for its turn there: nobody before it is idle for longer than that."""

SYNCHRONOUS = "synchronous"


class StorageError(UserError):
    """A storage cannot be opened, or does not hold what was asked for."""


def open_storage(url: str, heartbeat: int | None = None) -> FastRDBStorage:
    """Open a storage for reading and writing; a SQLite file is made if it is absent.

    `heartbeat` is the seconds after which a running trial is to be heard of again.

    SQLite gets a write-ahead log, a long busy timeout, and transactions that take the write lock
    when they begin (BEGIN IMMEDIATE): with the driver's late locks two workers can claim one
    enqueued trial, and upgrades of a read lock fail without waiting.
    """
    file = sqlite_file(url)
    if file is None:
        storage = _connect(url, {"pool_pre_ping": True}, heartbeat_interval=heartbeat)
        if storage.engine.dialect.name == "postgresql":
            sqlalchemy.event.listen(storage.engine, "connect", _prepare_postgresql)
            storage.engine.dispose()
        return storage
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


def open_read_only(url: str) -> FastRDBStorage:
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


def has_password(url: str) -> bool:
    """Is there anything in the URL that may not be printed?"""
    parsed = make_url(url)
    return parsed.password is not None or any("password" in key for key in parsed.query)


def without_password(url: str) -> str:
    """The URL as it may be printed and kept: without its passwords."""
    parsed = make_url(url)
    secrets = {key: "***" for key in parsed.query if "password" in key}
    return parsed.update_query_dict(secrets).render_as_string(hide_password=True)


def backend(study: Study) -> FastRDBStorage:
    """The database that a study of ours is in, below Optuna's cache."""
    storage: Any = study._storage
    found: FastRDBStorage = storage._backend
    return found


@contextmanager
def transaction(study: Study, lasting: bool = True) -> Iterator[None]:
    """All that this thread asks of the study within the block is one transaction: a kill, or an
    exception, at any point leaves nothing of it.

    SQLite's has the whole database to itself (BEGIN IMMEDIATE). One that is not `lasting` does not
    wait for the disk: no death of a process undoes it, but a power cut may, whole, as long as no
    lasting one has come after it.
    """
    try:
        with backend(study).transaction(lasting):
            yield
    except SQLAlchemyError as error:
        raise StorageInternalError(str(error)) from error


@contextmanager
def study_lock(study: Study) -> Iterator[None]:
    """A transaction, not a lasting one, that one worker at a time can have; a kill ends it.

    Raises StorageInternalError where SQLite's lock is not to be had for BUSY_SECONDS, because one
    that has it is suspended. PostgreSQL ends that one's transaction after IDLE_SECONDS.
    """
    with transaction(study, lasting=False):
        backend(study).lock_study(study._study_id)
        yield


def lock_trial(study: Study, trial_id: int) -> TrialState:
    """Within a transaction, keep others from ending a trial; return how it stands.

    To be done before anything of the trial is written: a row that two have written to cannot be
    locked by either.
    """
    return backend(study).lock_trial(trial_id)


@contextmanager
def storage_errors_explained(url: str) -> Iterator[None]:
    """Turn what a database raises within the block into a StorageError of one sentence."""
    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) else error
        fault = str(getattr(cause, "orig", None) or cause).strip().splitlines()[0]
        if "locked" in fault or "lock timeout" in fault:
            seconds = QUEUE_SECONDS if "timeout" in fault else BUSY_SECONDS
            fault += (
                f": other processes have held its lock for {seconds} s; if one is suspended, let "
                f"it go on or kill it"
            )
        raise StorageError(
            f"{without_password(url)}: the database cannot be used: {fault}"
        ) from error


def _connect(
    url: str, engine_kwargs: dict[str, Any] | None = None, given: str | None = None, **more: Any
) -> FastRDBStorage:
    given = given or url
    with storage_errors_explained(given):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)  # of heartbeats
                return _made(lambda: FastRDBStorage(url, engine_kwargs=engine_kwargs, **more))
        except (ImportError, NoSuchModuleError) as error:
            raise StorageError(
                f"{without_password(given)}: its database driver is not installed; for "
                f"PostgreSQL run "
                f".venv/bin/pip install -c requirements.lock -e '.[postgres]'"
            ) from error
        except RuntimeError as error:  # a schema of another version of Optuna
            raise StorageError(
                f"{without_password(given)}: {str(error).splitlines()[0]}"
            ) from error


def _made(make: Callable[[], FastRDBStorage]) -> FastRDBStorage:
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


def _prepare_postgresql(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{QUEUE_SECONDS}s'")
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
    connection.commit()


def _begin_immediate(connection: Any) -> None:
    level = "FULL" if connection.get_execution_options().get("lasting", True) else "NORMAL"
    if connection.info.get(SYNCHRONOUS) != level:
        connection.exec_driver_sql(f"PRAGMA {SYNCHRONOUS} = {level}")
        connection.info[SYNCHRONOUS] = level
    connection.exec_driver_sql("BEGIN IMMEDIATE")
