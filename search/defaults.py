"""What a search takes where nothing else is said."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

DEFAULT_URL = "sqlite:///studies/results/studies.db"
DEFAULT_SEED = 648


def make_variables(study: str, name: str | None, storage: str, data: Path | None = None) -> str:
    """The make variables that say the same as these options, where they are not the default."""
    from search.storage import shown

    usual = {"STUDY": "paper", "NAME": None, "STORAGE": DEFAULT_URL, "DATA": None}
    given = {"STUDY": study, "NAME": name, "STORAGE": storage, "DATA": data}
    changed = {key: value for key, value in given.items() if value != usual[key]}
    if "STORAGE" in changed:
        changed["STORAGE"] = shown(storage)
    return "".join(f" {key}={quote(str(value))}" for key, value in changed.items())
