"""The storage below a study: this project's, without Optuna's cache in front of it."""

from __future__ import annotations

import optuna

from search.storage.connection import open_storage
from search.storage.rdb import FastRDBStorage, backend


def test_the_backend_is_the_storage_that_was_opened(project):
    storage = open_storage("sqlite:///studies/results/studies.db", heartbeat=60)
    study = optuna.create_study(storage=storage, study_name="s")
    assert backend(study) is storage
    assert isinstance(storage, FastRDBStorage)
    assert storage.get_heartbeat_interval() == 60


def test_another_process_sees_what_was_written(url, study):
    study.tell(study.ask(), 0.5)
    other = optuna.load_study(study_name="s", storage=open_storage(url))
    assert backend(other) is not backend(study)
    assert other.best_value == 0.5
