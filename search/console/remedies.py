"""How the command lines say what remedies an error: in the Makefile's variables and targets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fmnist_model.utils import ProjectPaths, Remedy

_PIP = ".venv/bin/pip install -c requirements.lock -e"
_URL = ProjectPaths(Path()).default_url

SEARCH_REMEDIES: Mapping[Remedy, str] = {
    Remedy.INSTALL_JAX: (
        f"{{problem}}; run {_PIP} '.[jax]' (for a GPU add 'jax[cuda12]'), or take ENGINE=tensorflow"
    ),
    Remedy.INSTALL_TORCH: f"{{problem}}; run {_PIP} '.[gp]', or take another sampler",
    Remedy.TAKE_FEWER_SLOTS: "SLOTS={slots}: {problem}; take fewer",
    Remedy.FIX_OR_TAKE_TENSORFLOW: (
        "ENGINE=population: {problem}; fix it in the preset, or take ENGINE=tensorflow"
    ),
    Remedy.OMIT_OR_TAKE_TENSORFLOW: (
        "ENGINE=population does not know {names}; leave it out of the preset, or take "
        "ENGINE=tensorflow"
    ),
    Remedy.OMIT_SLOTS: (
        "SLOTS= is for ENGINE=population; TensorFlow trains one trial after the other"
    ),
    Remedy.CHOOSE_PRESET: "{problem}; STUDY= takes one of {known}, or a .toml file",
    Remedy.GIVE_FRACTION: "STOP_WHEN={below:g}: {problem}",
    Remedy.GIVE_TIME: "TIMEOUT={timeout}: {problem}",
    Remedy.RENAME_STUDY: "{problem}; give another name with NAME=",
    Remedy.RESTORE_OR_RENAME: "{problem}; go back to them, or begin a new study with NAME=",
    Remedy.OMIT_SOURCE: "{problem}; name another study with FROM=, or leave it out",
    Remedy.ADD_SEARCH: "{problem}; add the section [search] to the preset, or leave FROM= out",
    Remedy.FINISH_TRIAL: "{problem}; let make search end it",
    Remedy.SEARCH_ON: "{problem}; search on with more TRIALS",
    Remedy.CHOOSE_TRIAL: "{problem}; choose one that is, or leave TRIAL= out for the best",
    Remedy.READ_TRACEBACKS: (
        "{problem}; their tracebacks are kept as the trials' attribute traceback (make dashboard "
        "shows it)"
    ),
    Remedy.TAKE_FEWER_WORKERS: (
        "{problem} (signal 9 is often the system's when memory is short: take fewer WORKERS)"
    ),
    Remedy.CORRECT_URL: f"STORAGE={{url!r}} {{problem}}; an example is {_URL}",
    Remedy.MAKE_DIRECTORY: "{problem}; make it, or correct STORAGE=",
    Remedy.UPGRADE_DATABASE: (
        "{problem}; copy the database, then upgrade it with: .venv/bin/optuna storage upgrade "
        "--storage URL"
    ),
    Remedy.SEARCH_FIRST: "{problem}; make search creates it, STORAGE= names it",
    Remedy.INSTALL_POSTGRESQL: f"{{problem}}; for PostgreSQL run {_PIP} '.[postgres]'",
    Remedy.TAKE_OTHER_DATABASE: "{problem}; take another STORAGE=",
    Remedy.RESTORE_OR_TAKE_OTHER_DATABASE: ("{problem}; go back to them, or take another STORAGE="),
    Remedy.INSTALL_RAY: f"LAUNCHER=ray needs Ray, which is not installed; run {_PIP} '.[ray]'",
    Remedy.CORRECT_ADDRESS: "RAY_ADDRESS={address}: {problem}",
    Remedy.SHARE_DATABASE: (
        "{problem}; give a database that all of them reach, as "
        "STORAGE=postgresql+psycopg://user@host/name"
    ),
}
