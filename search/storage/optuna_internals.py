"""The private names of Optuna that this project relies on, each behind a function of its own.

Checked with Optuna 5.0.0; each docstring says which private name it needs. What else is private to
Optuna stands in `optuna_tables` (its tables), `trial_reader` and `trial_writer` (the methods of its
storage that are replaced) and `search.algorithms.optuna_samplers` (those of its samplers).
`tests/test_private_names.py` keeps all of them out of other files.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from optuna.storages import BaseStorage
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial
from sqlalchemy.orm import Session, scoped_session

FIXED_PARAMS = "fixed_params"
"""The system attribute of a queued trial that holds the parameters it is to have: a dictionary from
names to values. Written by `Study.enqueue_trial`, read by `Trial.suggest_float` and its like."""
GRID_ID = "grid_id"
"""The system attribute that holds the number of a trial's point in its `GridSampler`'s grid."""
RUNG_PREFIX = "completed_rung_"
"""System attributes that begin so hold what a trial reported at a rung of successive halving."""
RELATIVE_PARAMS = ":relative_params:"
"""System attributes with this in their names tell other workers which parameters TPE or GP has just
drawn for a trial."""


def trial_id(trial: Trial | FrozenTrial) -> int:
    """The trial's primary key in the database: `Trial._trial_id` or `FrozenTrial._trial_id`."""
    return trial._trial_id


def set_trial_id(trial: FrozenTrial, key: int) -> None:
    """Give the trial its primary key in the database: sets `FrozenTrial._trial_id`."""
    trial._trial_id = key


def fields_without_id(trial: FrozenTrial) -> dict[str, Any]:
    """All that a trial holds but its primary key; the instance has attributes alone (no slots), of
    which `_trial_id` is the key."""
    return {name: value for name, value in vars(trial).items() if name != "_trial_id"}


def study_id(study: Study) -> int:
    """The study's primary key in the database: `Study._study_id`."""
    return study._study_id


def storage_of(study: Study) -> BaseStorage:
    """The storage that a study reads and writes, with Optuna's cache in front of a database:
    `Study._storage`."""
    return study._storage


def study_system_attrs(study: Study) -> dict[str, Any]:
    """The study's system attributes, in which Optuna and its dashboard keep what is theirs."""
    return study._storage.get_study_system_attrs(study._study_id)


def set_study_system_attr(study: Study, key: str, value: Any) -> None:
    """Set a system attribute of the study; its public method for that is deprecated."""
    study._storage.set_study_system_attr(study._study_id, key, value)


def storage_below_cache(study: Study) -> Any:
    """The storage that was given to `optuna.load_study` or `optuna.create_study`, without Optuna's
    cache in front of it: `_CachedStorage._backend`. Only a study in a database has it."""
    storage: Any = study._storage
    return storage._backend


def stale_trial_ids(study: Study) -> list[int]:
    """Keys of the running trials without a heartbeat for two intervals by the database's clock:
    `RDBStorage._get_stale_trial_ids`."""
    stale: list[int] = storage_below_cache(study)._get_stale_trial_ids(study._study_id)
    return stale


def session_scope(
    sessions: scoped_session[Session], ignore_integrity_error: bool
) -> AbstractContextManager[Session]:
    """A session that is committed when the block ends, rolled back if it raises, and then closed:
    `optuna.storages._rdb.storage._create_scoped_session`.

    A violated constraint raises IntegrityError, or nothing if it is to be ignored; any other fault
    of the database raises StorageInternalError.
    """
    return _create_scoped_session(sessions, ignore_integrity_error)
