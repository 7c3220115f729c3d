"""What would mend an error, by name: the library words it for programs, command lines for people.

The value of a `Remedy` is the whole message as a Python program reads it: `{problem}` stands for
what is wrong, other names in braces for the details of the error. A command line has a mapping
from remedies to such messages in its own words, see `fmnist_model.utils.cli`.
"""

from __future__ import annotations

from enum import Enum, unique


@unique
class Remedy(Enum):
    """What a caller can do about an error."""

    # Data, configurations and models
    GIVE_DATA = (
        "{problem}; put its four IDX files or two CSV files into {directory}, or pass the "
        "directory that has them"
    )
    NAME_DATA_DIRECTORY = "{problem}; pass the one with the data files"
    GIVE_DATA_OR_HOME = "{problem}; pass the directory of its files, or a data_home to keep it in"
    EXPORT_FIRST = "{problem}; export a study's best configuration to it"
    EVALUATE_FIRST = "{problem}; the final evaluation saves one"

    # Engines
    INSTALL_JAX = "{problem}; install the extra jax, or take the engine tensorflow"
    INSTALL_TORCH = "{problem}; install the extra gp, or take another sampler"
    TAKE_FEWER_SLOTS = "slots={slots}: {problem}; take fewer"
    FIX_OR_TAKE_TENSORFLOW = (
        "the population engine: {problem}; fix it in the preset, or take the engine tensorflow"
    )
    OMIT_OR_TAKE_TENSORFLOW = "{problem}; leave it out of the preset, or take the engine tensorflow"
    OMIT_SLOTS = "{problem}; leave slots out"

    # Presets, studies and trials
    CHOOSE_PRESET = "{problem}; there are {known}, or pass the path of a .toml file"
    GIVE_FRACTION = "stop_when={below:g}: {problem}"
    GIVE_TIME = "timeout={timeout!r}: {problem}"
    RENAME_STUDY = "{problem}; take another name"
    RESTORE_OR_RENAME = "{problem}; go back to them, or begin a study of another name"
    OMIT_SOURCE = "{problem}; name another study to begin from, or none"
    ADD_SEARCH = "{problem}; add the section [search] to the preset, or name no study"
    FINISH_TRIAL = "{problem}; let a search end it"
    SEARCH_ON = "{problem}; search on with more trials"
    CHOOSE_TRIAL = "{problem}; choose one that is, or pass no number for the best"
    READ_TRACEBACKS = "{problem}; their tracebacks are kept as the trials' attribute traceback"
    TAKE_FEWER_WORKERS = (
        "{problem} (signal 9 is often the system's when memory is short: take fewer workers)"
    )

    # Databases and clusters
    CORRECT_URL = "{url!r} {problem}; an example is sqlite:///studies.db"
    MAKE_DIRECTORY = "{problem}; make it, or correct the URL of the database"
    UPGRADE_DATABASE = (
        "{problem}; copy the database, then upgrade it with: optuna storage upgrade --storage URL"
    )
    SEARCH_FIRST = "{problem}; a search creates it"
    INSTALL_POSTGRESQL = "{problem}; for PostgreSQL install the extra postgres"
    TAKE_OTHER_DATABASE = "{problem}; take another database"
    RESTORE_OR_TAKE_OTHER_DATABASE = "{problem}; go back to them, or take another database"
    INSTALL_RAY = "{problem}; install the extra ray"
    CORRECT_ADDRESS = "the Ray cluster at {address}: {problem}"
    SHARE_DATABASE = (
        "{problem}; give a database that all of them reach, such as "
        "postgresql+psycopg://user@host/name"
    )

    # Pages
    TAKE_OTHER_PORT = "{problem}; take another port"
    TRAIN_ARMS = "{problem}; train them first"
