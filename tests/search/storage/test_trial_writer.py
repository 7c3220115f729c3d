"""Writing trials: the rows are those that Optuna's own storage writes."""

from __future__ import annotations

import time
from datetime import datetime

import optuna
import pytest
import sqlalchemy
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import TrialState, create_trial

from search.storage.optuna_internals import set_trial_id, storage_of, study_id, trial_id
from search.storage.rdb import backend
from search.storage.transactions import transaction
from tests.search.storage.conftest import SPACE, facts, fill


def test_trials_are_written_as_optuna_writes_them(url, study, monkeypatch):
    """Also where local time is not the database's: hours would be missing."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        theirs = optuna.create_study(storage=RDBStorage(url), study_name="theirs")
        began = datetime.now()
        fill(study)
        fill(theirs)
        waiting = create_trial(state=TrialState.WAITING, system_attrs={"fixed_params": {"rate": 1}})
        running = create_trial(state=TrialState.RUNNING, user_attrs={"arm": "a", "ordinal": 3})
        complete = create_trial(
            value=0.5,
            params={"rate": 0.5},
            distributions={"rate": SPACE["rate"]},
            intermediate_values={1: 0.25},
            user_attrs={"seed": 1},
        )
        bare = create_trial(value=0.5)
        reported = create_trial(state=TrialState.RUNNING, intermediate_values={1: 0.25})
        for template in (waiting, running, complete, bare, reported, None):
            for each in (study, theirs):
                storage_of(each).create_new_trial(study_id(each), template)
        ours, others = study.trials, theirs.trials
        for trial in (*ours, *others):
            set_trial_id(trial, 0)
            times = trial.datetime_start, trial.datetime_complete
            assert all(time is None or began <= time <= datetime.now() for time in times)
            trial.datetime_start, trial.datetime_complete = (time is None for time in times)
            trial.params = dict.fromkeys(trial.params, 0)  # drawn at random
        assert facts(ours) == facts(others)
        assert [trial.number for trial in ours] == list(range(13))
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_report_is_one_statement(study):
    """The trial's state is checked, and an earlier value looked for, by the statement itself."""
    trial = study.ask()
    executed: list[str] = []

    def note(_connection, _cursor, statement, *_) -> None:
        executed.append(statement.split()[0])

    engine = backend(study).engine
    sqlalchemy.event.listen(engine, "before_cursor_execute", note)
    backend(study).set_trial_intermediate_value(trial_id(trial), 1, 0.5)
    assert [verb for verb in executed if verb not in ("BEGIN", "PRAGMA")] == ["INSERT"]


def test_a_second_value_replaces_the_first(study):
    key = trial_id(study.ask())
    storage = backend(study)
    for value in (0.25, 0.5):
        storage.set_trial_intermediate_value(key, 1, value)
        storage.set_trial_user_attrs(key, {"a": value, "b": [value]})
    storage.set_trial_user_attr(key, "b", None)
    trial = storage.get_trial(key)
    assert trial.intermediate_values == {1: 0.5}
    assert trial.user_attrs == {"a": 0.5, "b": None}


def test_a_trial_that_has_ended_is_not_changed(study):
    trial = study.ask()
    study.tell(trial, 0.5)
    key, storage = trial_id(trial), backend(study)
    with pytest.raises(UpdateFinishedTrialError), transaction(study):
        storage.set_trial_intermediate_value(key, 1, 0.5)
    with pytest.raises(UpdateFinishedTrialError):
        storage.set_trial_user_attrs(key, {"a": 1})
    with pytest.raises(UpdateFinishedTrialError):
        storage.set_trial_state_values(key, TrialState.FAIL)
    with pytest.raises(UpdateFinishedTrialError):
        trial.suggest_float("rate", 0.01, 1.0, log=True)
    other = study.ask(SPACE)  # from now on, the parameter is known in the study
    study.tell(other, 0.5)
    with pytest.raises(UpdateFinishedTrialError):
        trial.suggest_float("rate", 0.01, 1.0, log=True)
    stored = study.trials[0]
    assert stored.state == TrialState.COMPLETE
    assert stored.intermediate_values == stored.user_attrs == stored.params == {}
