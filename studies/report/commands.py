"""The commands that a page advises its reader to run, worded by default as calls of Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple


class Command(NamedTuple):
    """A command that a page advises.

    "search" continues the search until `trials` trials have finished, "export" writes the best
    configuration, "evaluate" evaluates it on the test set, "paper" trains more runs of the paper's
    arms.
    """

    name: Literal["search", "export", "evaluate", "paper"]
    trials: int | None = None


Wording = Callable[[Command], str]
"""A function that words a command, for example as a line for a shell."""


def as_python(command: Command) -> str:
    """The command as a call of the Python function that runs it."""
    match command.name:
        case "search":
            return f"run_search(replace(job, trials={command.trials}), progress)"
        case "export":
            return "export(study, url, results)"
        case "evaluate":
            return "evaluate(path)"
        case "paper":
            return "compare(comparison, url, seeds, data, say, draw)"
