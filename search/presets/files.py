"""Presets as TOML files: where they are, how they are read, and what their studies are called."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fmnist_model.utils import Remedy, UserError, validation_sentence
from search.presets.preset import Preset

STUDY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class PresetError(UserError):
    """A preset cannot be used: the message names the file, the key's path and the fault."""


def load_preset(study: str, folder: Path | None = None) -> Preset:
    """Read and validate a preset.

    Args:
        study: The name of a preset in `folder`, or the path of a TOML file.
        folder: Where presets are found by their names.

    Raises PresetError with one sentence about the first fault.

    >>> load_preset("studies/paper.toml").space.dimensions()["learning_rate"].values()
    (0.15, 0.45)
    """
    path = Path(study) if folder is None or _is_path(study) else folder / f"{study}.toml"
    if not path.is_file():
        found = [] if folder is None else sorted(p.stem for p in folder.glob("*.toml"))
        known = ", ".join(found) or "none"
        raise PresetError(f"{path}: no such preset", Remedy.CHOOSE_PRESET, known=known)
    try:
        return parse_preset(tomllib.loads(path.read_text(encoding="utf-8")), str(path))
    except tomllib.TOMLDecodeError as error:
        raise PresetError(f"{path}: not valid TOML: {error}") from error
    except UnicodeDecodeError as error:
        raise PresetError(f"{path}: not UTF-8 text: {error.reason}") from error
    except OSError as error:
        raise PresetError(f"{path}: cannot be read: {error.strerror}") from error


def _is_path(study: str) -> bool:
    return study.endswith(".toml")


def parse_preset(tree: dict[str, Any], source: str) -> Preset:
    """Validate the tree of a preset that came from `source`.

    Raises PresetError with one sentence about the first fault, which begins with `source`.
    """
    try:
        return Preset.model_validate(tree)
    except ValidationError as error:
        raise PresetError(validation_sentence(error, source)) from None


def study_name(study: str, name: str | None) -> str:
    """The study's name: `name` where it is given, else the preset's; raise where it is unsafe."""
    preset = Path(study if _is_path(study) else f"{study}.toml")
    chosen = name if name is not None else preset.stem
    if not STUDY_NAME.fullmatch(chosen):
        raise PresetError(
            f"study name {chosen!r}: take up to 100 letters, digits, dots, dashes and underscores, "
            f"beginning with a letter or digit"
        )
    return chosen
