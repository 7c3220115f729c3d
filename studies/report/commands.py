"""What a page advises its reader to run, and how that is worded: by default as Python calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple


class Command(NamedTuple):
    """A command that a page advises: search on until there are `trials` finished ones, export the
    best configuration, evaluate it, or train more of the paper's arms."""

    name: Literal["search", "export", "evaluate", "paper"]
    trials: int | None = None


Wording = Callable[[Command], str]
"""How a caller words a command, such as a line for a shell."""


def as_python(command: Command) -> str:
    """The command as a call of the function that does it."""
    match command.name:
        case "search":
            return f"run_search(replace(job, trials={command.trials}), progress)"
        case "export":
            return "export(study, url, results)"
        case "evaluate":
            return "evaluate(path)"
        case "paper":
            return "compare(comparison, url, seeds, data, say, draw)"
