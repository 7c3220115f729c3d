"""What the command lines share: an error is one sentence and an exit code, a bug is a traceback."""

from __future__ import annotations

import sys

import pytest

from fmnist_model.utils.cli import new_app, run
from fmnist_model.utils.errors import UserError


def ended(monkeypatch, capsys, raised: BaseException | None) -> tuple[int | None, str]:
    """The exit code of a command that raises this, and what it writes to stderr."""
    app = new_app("An example.")

    @app.command()
    def example() -> None:
        if raised is not None:
            raise raised

    monkeypatch.setattr(sys, "argv", ["example"])
    with pytest.raises(SystemExit) as caught:
        run(app)
    return caught.value.code, capsys.readouterr().err


def test_what_ends_well_is_zero(monkeypatch, capsys):
    assert ended(monkeypatch, capsys, None) == (0, "")


def test_an_error_of_the_users_is_its_message_and_its_exit_code(monkeypatch, capsys):
    error = UserError("x: no such thing")
    assert ended(monkeypatch, capsys, error) == (2, "error: x: no such thing\n")
    error.exit_code = 1
    assert ended(monkeypatch, capsys, error)[0] == 1


def test_a_file_that_the_system_refuses_is_named(monkeypatch, capsys):
    refused = PermissionError(13, "Permission denied", "a.toml")
    assert ended(monkeypatch, capsys, refused) == (2, "error: a.toml: Permission denied\n")


def test_a_bug_is_shown_as_it_is(monkeypatch, capsys):
    for bug in (ZeroDivisionError(), OSError("without a file")):
        app = new_app("An example.")

        @app.command()
        def example(bug=bug) -> None:
            raise bug

        monkeypatch.setattr(sys, "argv", ["example"])
        with pytest.raises(type(bug)):
            run(app)
