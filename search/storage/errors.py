"""What can be wrong with a database, in one sentence for the user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError

from fmnist_model.utils import UserError
from search.storage import dialects
from search.storage.url import without_password


class StorageError(UserError):
    """A storage cannot be opened, or does not hold what is looked for."""


@contextmanager
def storage_errors_explained(url: str) -> Iterator[None]:
    """Turn what the database at `url` raises in the block into a StorageError of one sentence."""
    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) else error
        fault = str(getattr(cause, "orig", None) or cause).strip().splitlines()[0]
        raise StorageError(
            f"{without_password(url)}: the database cannot be used: {fault}{_lock_advice(fault)}"
        ) from error


def _lock_advice(fault: str) -> str:
    """What to do where a lock was waited for in vain; PostgreSQL calls it a lock timeout."""
    if "locked" not in fault and "lock timeout" not in fault:
        return ""
    seconds = (
        dialects.POSTGRESQL_LOCK_SECONDS if "timeout" in fault else dialects.SQLITE_BUSY_SECONDS
    )
    return (
        f": other processes have held its lock for {seconds} s; if one is suspended, let it go on "
        f"or kill it"
    )
