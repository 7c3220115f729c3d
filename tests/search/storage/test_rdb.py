"""The database in plain statements: it says what Optuna's own storage says of the same tables."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

import optuna
import pytest
import sqlalchemy
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.storage.connection import backend, open_storage, transaction

SPACE = {
    "rate": FloatDistribution(0.01, 1.0, log=True),
    "units": IntDistribution(8, 64, step=8),
    "filters": CategoricalDistribution(["32-64", "16", None]),
}


@pytest.fixture
def study(url) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(storage=open_storage(url), study_name="s", direction="maximize")


def fill(study: optuna.Study) -> None:
    """Trials in every state, with all that a trial can have."""
    for value in (0.5, math.inf, -math.inf):
        trial = study.ask(SPACE)
        for step, seen in enumerate((0.25, math.nan, value), 1):
            trial.report(seen, step)
        trial.set_user_attr("history", {"loss": [1.5, None], "name": "ä"})
        study._storage.set_trial_system_attr(trial._trial_id, "completed_rung_0", value)
        study.tell(trial, value)
    pruned = study.ask(SPACE)
    pruned.report(0.1, 1)
    study.tell(pruned, state=TrialState.PRUNED)
    study.tell(study.ask(), state=TrialState.FAIL)
    study.enqueue_trial({"rate": 0.5}, user_attrs={"arm": "a"})
    study.ask(SPACE)  # takes what was enqueued
    study.enqueue_trial({"rate": 0.25})


def facts(trials: Iterable[FrozenTrial]) -> list[str]:
    """All that the trials hold; attributes come in no order, and not-a-number equals itself."""
    return [
        repr({key: sorted(v.items()) if "attrs" in key else v for key, v in vars(trial).items()})
        for trial in trials
    ]


def test_trials_are_read_as_optuna_reads_them(url, study):
    fill(study)
    another = optuna.create_study(storage=open_storage(url), study_name="another")
    another.tell(another.ask(SPACE), 1.0)
    fill(study)
    theirs = RDBStorage(url).get_all_trials(study._study_id)
    states = Counter(trial.state for trial in theirs)
    assert states[TrialState.COMPLETE] == 6
    assert len(states) == 5
    ours = backend(study)
    assert facts(ours.get_all_trials(study._study_id)) == facts(theirs)
    assert facts(ours.get_trial(trial._trial_id) for trial in theirs) == facts(theirs)
    complete = (TrialState.COMPLETE,)
    assert len(ours.get_all_trials(study._study_id, states=complete)) == 6
    assert len(another.trials) == 1


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
            study._storage.create_new_trial(study._study_id, template)
            theirs._storage.create_new_trial(theirs._study_id, template)
        ours, others = study.trials, theirs.trials
        for trial in (*ours, *others):
            trial._trial_id = 0
            times = trial.datetime_start, trial.datetime_complete
            assert all(time is None or began <= time <= datetime.now() for time in times)
            trial.datetime_start, trial.datetime_complete = (time is None for time in times)
            trial.params = dict.fromkeys(trial.params, 0)  # drawn at random
        assert facts(ours) == facts(others)
        assert [trial.number for trial in ours] == list(range(13))
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_running_trial_is_heard_of(study):
    ended, running = study.ask(), study.ask()
    storage = backend(study)
    for trial in (ended, running, running):
        storage.record_heartbeat(trial._trial_id)
    first = storage.heard(study._study_id)
    assert first.keys() == {ended._trial_id, running._trial_id}
    study.tell(ended, state=TrialState.FAIL)
    time.sleep(1.1)  # SQLite's clock counts whole seconds
    storage.record_heartbeat(running._trial_id)
    again = storage.heard(study._study_id)
    assert again.keys() == {running._trial_id}
    assert again[running._trial_id] > first[running._trial_id]


def test_many_trials_are_read_in_pieces(study, monkeypatch):
    monkeypatch.setattr("search.storage.sql.AT_ONCE", 2)
    fill(study)
    assert [trial.number for trial in study.trials] == list(range(7))
    assert study.trials[2].params.keys() == SPACE.keys()


def test_what_has_ended_is_read_once(study):
    """The second look asks for what is still running alone."""
    fill(study)
    study.get_trials(deepcopy=False)
    asked: list[tuple] = []

    def note(_connection, _cursor, statement, parameters, _context, _many) -> None:
        if "trial_user_attributes" in statement:
            asked.append(parameters)

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", note)
    try:
        again = study.get_trials(deepcopy=False)
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", note)
    open_ids = {trial._trial_id for trial in again if not trial.state.is_finished()}
    ids = [p.values() if isinstance(p, dict) else p for p in asked]
    assert [set(each) for each in ids] == [open_ids]


def test_what_is_said_twice_is_kept_once(study):
    trial_id = study.ask()._trial_id
    storage = backend(study)
    for value in (0.25, 0.5):
        storage.set_trial_intermediate_value(trial_id, 1, value)
        storage.set_trial_user_attrs(trial_id, {"a": value, "b": [value]})
    storage.set_trial_user_attr(trial_id, "b", None)
    trial = storage.get_trial(trial_id)
    assert trial.intermediate_values == {1: 0.5}
    assert trial.user_attrs == {"a": 0.5, "b": None}


def test_a_trial_that_has_ended_takes_nothing_more(study):
    trial = study.ask()
    study.tell(trial, 0.5)
    storage = backend(study)
    with pytest.raises(UpdateFinishedTrialError), transaction(study):
        storage.set_trial_intermediate_value(trial._trial_id, 1, 0.5)
    with pytest.raises(UpdateFinishedTrialError):
        storage.set_trial_user_attrs(trial._trial_id, {"a": 1})
    with pytest.raises(UpdateFinishedTrialError):
        storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
    with pytest.raises(UpdateFinishedTrialError):
        storage._set_trial_param(trial._trial_id, "rate", 0.5, SPACE["rate"], SPACE["rate"])
    assert study.trials[0].state == TrialState.COMPLETE
    assert study.trials[0].intermediate_values == study.trials[0].user_attrs == {}


def test_what_is_not_there_is_a_key_error(study):
    with pytest.raises(KeyError):
        backend(study).get_trial(7)
    with pytest.raises(KeyError):
        backend(study).get_all_trials(7)
