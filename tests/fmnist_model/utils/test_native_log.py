"""What native code writes to stderr is hidden, unless something fails."""

from __future__ import annotations

import os

import pytest

from fmnist_model.utils.native_log import native_log_hidden


def test_it_is_hidden_while_the_block_runs(capfd):
    with native_log_hidden():
        os.write(2, b"native chatter\n")
    os.write(2, b"after it\n")
    assert capfd.readouterr().err == "after it\n"


def test_it_is_shown_where_the_block_fails(capfd):
    def fail() -> None:
        with native_log_hidden():
            os.write(2, b"why it failed\n")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert capfd.readouterr().err == "why it failed\n"
