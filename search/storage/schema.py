"""Which version of Optuna's schema a database has, and whether this Optuna can use it."""

from __future__ import annotations

from typing import Any

import optuna
import sqlalchemy
from optuna.storages import RDBStorage

from fmnist_model.utils import Remedy, UserError


class SchemaError(UserError):
    """A database has the tables of another version of Optuna; the message says which."""


def has_schema(url: str, engine_options: dict[str, Any]) -> bool:
    """Does the database at `url` say which schema it has?

    Optuna writes that last, after it has made all tables (with Alembic, in `alembic_version`).
    """
    engine = sqlalchemy.create_engine(url, **engine_options)
    try:
        with engine.connect() as connection:
            if not sqlalchemy.inspect(connection).has_table("alembic_version"):
                return False
            row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
            return row is not None
    finally:
        engine.dispose()


def check_schema(storage: RDBStorage) -> None:
    """Raise SchemaError unless the database has the schema of the installed Optuna."""
    found, needed = storage.get_current_version(), storage.get_head_version()
    if found == needed:
        return
    installed = f"the installed version {optuna.__version__}"
    if found in storage.get_all_versions():
        raise SchemaError(
            f"an older Optuna made its tables (schema {found}; {installed} needs {needed})",
            Remedy.UPGRADE_DATABASE,
        )
    raise SchemaError(
        f"a newer Optuna made its tables (schema {found}; {installed} knows none later than "
        f"{needed}); open it with that newer version"
    )
