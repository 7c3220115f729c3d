"""Words the make commands that the user may run next, each with the variables that it needs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from shlex import quote

from fmnist_model.utils import ProjectPaths
from search.storage import has_password

DEFAULTS = {
    "STUDY": "paper",
    "STORAGE": ProjectPaths(Path()).default_url,
    "ENGINE": "auto",
    "WORKERS": "auto",
    "LAUNCHER": "local",
    "CPUS_PER_WORKER": "1",
    "GPUS_PER_WORKER": "0",
}
STUDY_VARIABLES = ("STUDY", "NAME", "STORAGE")
WORKER_VARIABLES = (
    "WORKERS",
    "THREADS",
    "LAUNCHER",
    "CPUS_PER_WORKER",
    "GPUS_PER_WORKER",
    "RAY_ADDRESS",
)
TARGET_VARIABLES = {
    "dashboard": ("STORAGE",),
    "report": STUDY_VARIABLES,
    "export": STUDY_VARIABLES,
    "evaluate": ("STUDY", "NAME", "DATA"),
    "paper": (),
    "search": (*STUDY_VARIABLES, "DATA", "ENGINE", "SLOTS", *WORKER_VARIABLES, "TRIALS", "TIMEOUT"),
}
"""Which variables of the Makefile each of its targets takes."""


def make_command(target: str, given: Mapping[str, object]) -> str:
    """The command for this target with those variables that are given, not the default, and taken
    by it. A storage with a password is left out: see `hidden_note`."""
    words = ["make", target]
    for name in TARGET_VARIABLES[target]:
        if (value := given.get(name)) is None:
            continue
        text = f"{value:g}" if isinstance(value, float) else str(value)
        if text != DEFAULTS.get(name) and not (name == "STORAGE" and has_password(text)):
            words.append(f"{name}={quote(text)}")
    return " ".join(words)


def hidden_note(given: Mapping[str, object]) -> str:
    """A note in parentheses if the commands leave a password out; an empty string otherwise."""
    storage = given.get("STORAGE")
    if storage is None or not has_password(str(storage)):
        return ""
    return " (STORAGE has a password and is not shown: have it in the environment)"
