"""What is relied on of Optuna is there, and is what the functions say it is."""

from __future__ import annotations

import optuna
import pytest
from optuna.samplers import GridSampler
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from search.storage import optuna_internals as internals
from search.storage.connection import open_storage
from search.storage.rdb import backend


def test_ids_are_the_keys_in_the_database(study):
    trial = study.ask()
    with backend(study).engine.connect() as connection:
        row = connection.execute(text("SELECT trial_id, study_id FROM trials")).one()
    assert internals.trial_id(trial) == internals.trial_id(study.trials[0]) == row.trial_id
    assert internals.study_id(study) == row.study_id


def test_two_trials_that_differ_in_their_ids_alone(study):
    def made() -> FrozenTrial:
        return optuna.create_trial(state=TrialState.RUNNING, user_attrs={"a": 1})

    one, other = made(), made()
    other.datetime_start = one.datetime_start
    internals.set_trial_id(other, 7)
    assert internals.trial_id(other) == 7
    assert one != other
    assert internals.fields_without_id(one) == internals.fields_without_id(other)


def test_system_attributes_of_a_study(study):
    internals.set_study_system_attr(study, "dashboard:x", [1])
    assert internals.study_system_attrs(study) == {"dashboard:x": [1]}
    storage = internals.storage_of(study)
    assert storage.get_study_system_attrs(internals.study_id(study)) == {"dashboard:x": [1]}


@pytest.mark.filterwarnings("ignore:Heartbeat of storage is supposed to be used with")
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_trial_without_a_heartbeat_for_two_intervals_is_stale(url, study):
    opened = optuna.load_study(study_name="s", storage=open_storage(url, heartbeat=1))
    keys = [internals.trial_id(opened.ask()) for _ in range(2)]
    for key in keys:
        backend(opened).record_heartbeat(key)
    assert internals.stale_trial_ids(opened) == []
    with backend(study).engine.begin() as connection:
        late = "UPDATE trial_heartbeats SET heartbeat = '2000-01-01 00:00:00' WHERE trial_id = :id"
        connection.execute(text(late), {"id": keys[1]})
    assert internals.stale_trial_ids(opened) == [keys[1]]


@pytest.mark.parametrize("ignored", [True, False])
def test_a_session_ignores_a_violated_constraint_or_raises_it(study, ignored):
    sessions = backend(study).scoped_session
    twice = "INSERT INTO studies (study_id, study_name) VALUES (1, 'again')"

    def insert() -> None:
        with internals.session_scope(sessions, ignored) as session:
            session.execute(text(twice))

    if ignored:
        insert()
    else:
        with pytest.raises(IntegrityError):
            insert()
    assert optuna.get_all_study_names(backend(study)) == ["s"]


def test_the_names_of_system_attributes(study):
    """Written by Optuna under the names that stand in the module."""
    study.enqueue_trial({"x": 0.5})
    assert study.trials[0].system_attrs == {internals.FIXED_PARAMS: {"x": 0.5}}
    study.ask()
    study.sampler = GridSampler({"x": [1, 2]})
    on_grid = study.ask().number
    assert internals.GRID_ID in study.trials[on_grid].system_attrs
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1)
    halved = optuna.create_study(storage=backend(study), study_name="halved", pruner=pruner)
    trial = halved.ask()
    trial.report(0.5, 1)
    trial.should_prune()
    (name,) = halved.trials[0].system_attrs
    assert name.startswith(internals.RUNG_PREFIX)


def test_tpe_tells_others_what_it_has_drawn(study):
    space = {"x": optuna.distributions.FloatDistribution(0, 1)}
    study.sampler = optuna.samplers.TPESampler(multivariate=True, constant_liar=True, seed=0)
    for _ in range(11):
        trial = study.ask(space)
        study.tell(trial, trial.params["x"])
    study.ask(space)
    assert any(internals.RELATIVE_PARAMS in name for name in study.trials[-1].system_attrs)
