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

from optuna.exceptions import ExperimentalWarning
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from fmnist_model.utils import Remedy
from search.storage import dialects
from search.storage.errors import StorageError, storage_errors_explained
from search.storage.optuna_tables import create_missing_tables
from search.storage.rdb import FastRDBStorage
from search.storage.schema import SchemaError, check_schema, has_schema
from search.storage.url import without_password


def open_storage(url: str, heartbeat: int | None = None) -> FastRDBStorage:
    """Open a storage for reading and writing; a SQLite file is made if it is absent.

    `heartbeat` is the interval in seconds at which running trials record heartbeats. For how
    connections are set up see `search.storage.dialects.set_up`. Raises StorageError where the
    database cannot be used, or has the schema of another version of Optuna; nothing is written
    then.
    """
    file = sqlite_file(url)
    if file is None:
        options: dict[str, Any] = {"pool_pre_ping": True}
    else:
        if not file.parent.is_dir():
            raise StorageError(f"{file.parent}: no such directory", Remedy.MAKE_DIRECTORY)
        options = {"connect_args": {"timeout": dialects.SQLITE_BUSY_SECONDS}}
    with _explained(url):
        storage = _retried(lambda: _open(url, options, heartbeat))
    dialects.set_up(storage.engine)
    return storage


def open_read_only(url: str) -> FastRDBStorage:
    """Open an existing storage without writing to it.

    Raises StorageError where there is none, it cannot be used, or has the schema of another version
    of Optuna.
    """
    file = sqlite_file(url)
    if file is not None and not file.is_file():
        raise StorageError(f"{file}: no such database", Remedy.SEARCH_FIRST)
    opened = url if file is None else f"sqlite:///file:{quote(str(file))}?mode=ro&uri=true"
    with _explained(url):
        return _retried(lambda: _open_existing(opened))


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite URL, or None for another database; raise StorageError if malformed."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        hidden = re.sub(r"//[^/]*@", "//***@", url)
        raise StorageError("is not a database URL", Remedy.CORRECT_URL, url=hidden) from None
    if parsed.get_backend_name() != "sqlite":
        return None
    if not parsed.database or parsed.database == ":memory:":
        raise StorageError("names no file", Remedy.CORRECT_URL, url=url)
    return Path(parsed.database)


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Turn whatever keeps the block from opening the database into a StorageError."""
    visible = without_password(url)
    with storage_errors_explained(url):
        try:
            yield
        except (ImportError, NoSuchModuleError) as error:
            problem = f"{visible}: its database driver is not installed"
            raise StorageError(problem, Remedy.INSTALL_POSTGRESQL) from error
        except SchemaError as error:
            raise StorageError(f"{visible}: {error.problem}", error.remedy) from error


def _retried(open_it: Callable[[], FastRDBStorage]) -> FastRDBStorage:
    """Open the storage, and try once more where that fails: of several workers that start together
    on an empty database, each can fail at a table that another one is making."""
    try:
        return open_it()
    except SQLAlchemyError:
        time.sleep(1)
        return open_it()


def _open(url: str, engine_options: dict[str, Any], heartbeat: int | None) -> FastRDBStorage:
    """Open a database, and make its tables; unless it has them in another schema, which is left as
    it is."""
    has_tables = has_schema(url, engine_options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # of heartbeats
        storage = FastRDBStorage(
            url,
            engine_kwargs=engine_options,
            heartbeat_interval=heartbeat,
            skip_table_creation=has_tables,
            skip_compatibility_check=True,
        )
    check_schema(storage)
    if has_tables:
        create_missing_tables(storage.engine)
    return storage


def _open_existing(url: str) -> FastRDBStorage:
    storage = FastRDBStorage(url, skip_table_creation=True, skip_compatibility_check=True)
    check_schema(storage)
    return storage
