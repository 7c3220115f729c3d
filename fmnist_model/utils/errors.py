"""The one kind of exception whose message is written for the user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

    from fmnist_model.utils.remedies import Remedy


class UserError(Exception):
    """Something that the user gave is wrong.

    `problem` says what is wrong and where, `remedy` what would mend it, and `details` hold the
    values that the remedy's message needs. `str(error)` is the message for a program; the command
    lines print `error.worded(...)` in their own words and exit with `exit_code`.
    """

    exit_code = 2

    def __init__(self, problem: str, remedy: Remedy | None = None, **details: object) -> None:
        self.problem, self.remedy, self.details = problem, remedy, details
        super().__init__(self.worded({}))

    def worded(self, messages: Mapping[Remedy, str]) -> str:
        """The whole message, as `messages` have it for the remedy, or as a program reads it."""
        if self.remedy is None:
            return self.problem
        message = messages.get(self.remedy, self.remedy.value)
        return message.format(problem=self.problem, **self.details)


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
