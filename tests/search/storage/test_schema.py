"""Databases of another version of Optuna: one sentence, and nothing is written to them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage
from sqlalchemy import Connection, create_engine, inspect

import search.__main__
import studies.__main__
from fmnist_model.utils.cli import run
from search.storage.connection import open_read_only, open_storage
from search.storage.errors import StorageError
from search.storage.schema import has_schema

URL = "sqlite:///other.db"
OLDER = "v3.0.0.d"
COMMANDS = (
    (search.__main__, "status", "--study", "smoke"),
    (search.__main__, "run", "--study", "smoke", "--trials", "1"),
    (search.__main__, "export", "--study", "smoke"),
    (studies.__main__, "report", "--study", "smoke"),
)


def made_by_optuna(url: str) -> None:
    """An empty PostgreSQL database, or a SQLite file, gets Optuna's tables and a study."""
    Path("studies/results").mkdir(exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    optuna.create_study(storage=RDBStorage(url), study_name="smoke")


def change(url: str, *statements: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def make_newer(url: str) -> None:
    """As an Optuna to come may leave it: with a table less."""
    made_by_optuna(url)
    change(
        url,
        "UPDATE alembic_version SET version_num = 'v99.0.0'",
        "UPDATE version_info SET schema_version = 99, library_version = '99.0.0'",
        "DROP TABLE trial_heartbeats",
    )


def make_older(url: str) -> None:
    """As Optuna 3.1 left it: without the index that Optuna 3.2 added."""
    made_by_optuna(url)
    change(
        url,
        f"UPDATE alembic_version SET version_num = '{OLDER}'",
        "UPDATE version_info SET library_version = '3.1.0'",
        "DROP INDEX ix_trials_study_id",
    )


def contents(connection: Connection) -> dict[str, list[tuple]]:
    return {
        name: [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {name}")]
        for name in inspect(connection).get_table_names()
    }


@pytest.mark.parametrize("open_it", [open_storage, open_read_only])
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (make_newer, r"a newer Optuna made its tables \(schema v99.0.0; the installed version 5"),
        (make_older, r"an older Optuna made its tables \(schema v3.0.0.d; the installed version 5"),
    ],
)
def test_another_schema_is_one_sentence_and_is_left_as_it_is(url, project, make, said, open_it):
    make(url)
    engine = create_engine(url)
    with engine.connect() as connection:
        before = contents(connection)
    with pytest.raises(StorageError, match=said) as caught:
        open_it(url)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
    with engine.connect() as connection:
        assert contents(connection) == before
    engine.dispose()


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[1])
@pytest.mark.parametrize(("make", "kind"), [(make_newer, "a newer"), (make_older, "an older")])
def test_every_command_says_so_and_writes_nothing(
    project, monkeypatch, capsys, make, kind, command
):
    make(URL)
    before = files(project)
    monkeypatch.setenv("STORAGE", URL)
    monkeypatch.setattr("sys.argv", list(map(str, command)))
    with pytest.raises(SystemExit) as end:
        run(command[0].app)
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert said.startswith(f"error: {URL}: {kind} Optuna made its tables (schema v")
    assert said.count("\n") == 1
    assert files(project) == before


def test_an_older_database_opens_after_the_upgrade_that_is_advised(project):
    make_older(URL)
    with pytest.raises(StorageError, match=r"optuna storage upgrade --storage URL"):
        open_storage(URL)
    program = Path(sys.executable).with_name("optuna")
    upgrade = [program, "storage", "upgrade", "--storage", URL]
    subprocess.run(upgrade, check=True, capture_output=True)
    study = optuna.load_study(study_name="smoke", storage=open_storage(URL))
    study.tell(study.ask(), 0.5)
    assert open_read_only(URL).get_trial(1).value == 0.5


def test_a_database_has_a_schema_once_all_tables_are_made(url, project):
    Path("studies/results").mkdir(exist_ok=True)
    assert not has_schema(url, {})
    open_storage(url)
    assert has_schema(url, {})
    change(url, "DELETE FROM alembic_version")
    assert not has_schema(url, {})
