"""The one kind of exception whose message is written for the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class UserError(Exception):
    """Something that the user gave is wrong: the message says what, where, and what to do.

    The command lines print it as it stands and exit with `exit_code`.
    """

    exit_code = 2


def validation_sentence(error: ValidationError, source: str) -> str:
    """Say a pydantic validation's first fault in one sentence: source, path of the key, fault."""
    faults = error.errors(include_url=False)
    # A misspelt key is often why another one is missing: it is the one to tell.
    fault = next((f for f in faults if f["type"] == "extra_forbidden"), faults[0])
    path = ".".join(str(part) for part in fault["loc"])
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        message = "unknown key; remove it or correct its spelling"
    elif fault["type"] == "missing":
        message = "this key is required"
    elif fault["type"] != "value_error":
        message = message.replace("a valid tuple", "a list")
        message = f"{message[0].lower()}{message[1:]}, got {fault['input']!r}"
    return f"{source}: {path}: {message}" if path else f"{source}: {message}"
