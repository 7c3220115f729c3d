"""Optuna's database, read and written in few plain statements.

Optuna's own storage goes through SQLAlchemy's object mapper, with a query for each attribute of a
trial: that took more of a short trial's time than anything else. Tables and meaning are Optuna's.
"""

from __future__ import annotations

from optuna.study import Study

from search.storage.heartbeats import HeartbeatStorage
from search.storage.optuna_internals import storage_below_cache
from search.storage.trial_reader import TrialReader
from search.storage.trial_writer import TrialWriter


class FastRDBStorage(TrialReader, TrialWriter, HeartbeatStorage):
    """Optuna's storage, faster, with transactions (`search.storage.transactions`) and locks.

    It replaces these methods of `optuna.storages.RDBStorage`, of which those with an underscore are
    private to Optuna (checked with 5.0.0): `get_trial`, `_get_trials`, `_create_new_trial`,
    `_set_trial_param`, `_set_trial_attr_without_commit`, `set_trial_intermediate_value`,
    `set_trial_state_values` and `record_heartbeat`.
    """


def backend(study: Study) -> FastRDBStorage:
    """The database of a study that was opened by `search.storage.connection`, without Optuna's
    cache in front of it."""
    storage: FastRDBStorage = storage_below_cache(study)
    return storage
