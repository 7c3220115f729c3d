"""Heartbeats: one row for each running trial, with the time by the database's clock."""

from __future__ import annotations

import time

from optuna.trial import TrialState

from search.storage.optuna_internals import study_id, trial_id
from search.storage.rdb import backend


def test_a_running_trials_last_heartbeat_is_stored(study):
    ended, running = study.ask(), study.ask()
    storage, key = backend(study), study_id(study)
    for trial in (ended, running, running):
        storage.record_heartbeat(trial_id(trial))
    first = storage.last_heartbeats(key)
    assert first.keys() == {trial_id(ended), trial_id(running)}
    study.tell(ended, state=TrialState.FAIL)
    time.sleep(1.1)  # SQLite's clock counts whole seconds
    storage.record_heartbeat(trial_id(running))
    again = storage.last_heartbeats(key)
    assert again.keys() == {trial_id(running)}
    assert again[trial_id(running)] > first[trial_id(running)]
