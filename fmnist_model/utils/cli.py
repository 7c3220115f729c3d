"""What the three command lines share: errors as one sentence, and TensorFlow kept quiet."""

from __future__ import annotations

import gc
import os
import sys

import typer

from fmnist_model.utils.errors import UserError

GC_THRESHOLD = 50_000
"""So many new objects before the youngest are looked through for garbage."""


def new_app(help: str) -> typer.Typer:
    """A typer application without shell-completion options; its bugs show a plain traceback."""
    return typer.Typer(
        help=help, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False
    )


def run(app: typer.Typer) -> None:
    """Run a command line; a `UserError` becomes one sentence on stderr and its exit code.

    So does a file that the system will not read or write.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # What is imported stays: looking through it for garbage took a tenth of `search status`.
    gc.set_threshold(GC_THRESHOLD)
    try:
        app()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.filename is None:
            raise
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        sys.exit(2)
