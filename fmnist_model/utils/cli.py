"""What the three command lines share: a directory, errors as one sentence, a quiet TensorFlow."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import typer

from fmnist_model.utils.errors import UserError
from fmnist_model.utils.paths import ProjectPaths
from fmnist_model.utils.remedies import Remedy

PATHS = ProjectPaths(Path())
"""The project that a command works on: the one in the current directory."""
REMEDIES: Mapping[Remedy, str] = {
    Remedy.GIVE_DATA: (
        "{problem}; put its four IDX files or two CSV files into {directory}, or name their "
        "directory with DATA="
    ),
    Remedy.NAME_DATA_DIRECTORY: "{problem}; DATA= names the one with the data files",
    Remedy.EXPORT_FIRST: "{problem}; make export writes a study's best configuration there",
    Remedy.EVALUATE_FIRST: "{problem}; make evaluate saves one, --model names it",
}
"""The messages that errors of `fmnist_model` have on a command line."""

GC_THRESHOLD = 50_000
"""So many new objects before the youngest are looked through for garbage."""


def new_app(help: str) -> typer.Typer:
    """A typer application without shell-completion options; its bugs show a plain traceback."""
    return typer.Typer(
        help=help, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False
    )


def make_default_folder(url: str) -> None:
    """Make the folder of the default database, for that URL alone: others may be misspelt."""
    if url == PATHS.default_url:
        PATHS.results.mkdir(parents=True, exist_ok=True)


def run(app: typer.Typer, remedies: Mapping[Remedy, str] = {}) -> None:
    """Run a command line; a `UserError` becomes one sentence on stderr and its exit code.

    So does a file that the system will not read or write. `remedies` are the messages that the
    command line has besides `REMEDIES`.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # What is imported stays: looking through it for garbage took a tenth of `search status`.
    gc.set_threshold(GC_THRESHOLD)
    try:
        app()
    except UserError as error:
        print(f"error: {error.worded({**REMEDIES, **remedies})}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.filename is None:
            raise
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        sys.exit(2)
