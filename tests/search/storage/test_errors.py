"""What a database raises, in one sentence."""

from __future__ import annotations

import pytest
from optuna.exceptions import StorageInternalError
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from search.storage.errors import StorageError, storage_errors_explained

URL = "postgresql+psycopg://me:secret@host/db"


def test_a_fault_is_its_first_line_without_the_password():
    engine = create_engine("sqlite://")
    with (
        pytest.raises(StorageError) as caught,
        storage_errors_explained(URL),
        engine.connect() as connection,
    ):
        connection.execute(text("SELECT * FROM absent"))
    assert str(caught.value) == (
        "postgresql+psycopg://me:***@host/db: the database cannot be used: no such table: absent"
    )
    assert isinstance(caught.value.__cause__, OperationalError)


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        ("database is locked", 90),
        ("canceling statement due to lock timeout\nCONTEXT: more", 900),
    ],
)
def test_a_lock_says_how_long_it_was_waited_for(fault, seconds):
    """As Optuna's storage raises it: the database's exception is the cause."""
    cause = OperationalError("UPDATE trials", {}, Exception(fault))
    with pytest.raises(StorageError) as caught, storage_errors_explained(URL):
        raise StorageInternalError("Optuna's own words") from cause
    first = fault.splitlines()[0]
    assert f"cannot be used: {first}: other processes have held its lock for {seconds} s" in str(
        caught.value
    )


def test_other_exceptions_pass():
    with pytest.raises(ZeroDivisionError), storage_errors_explained(URL):
        raise ZeroDivisionError
