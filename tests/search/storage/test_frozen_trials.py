"""Trials put together from rows: they are what Optuna's own storage makes of the same rows."""

from __future__ import annotations

from collections import Counter

import optuna
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from search.storage.connection import open_storage
from search.storage.optuna_internals import study_id, trial_id
from search.storage.rdb import backend
from tests.search.storage.conftest import SPACE, facts, fill


def test_trials_are_read_as_optuna_reads_them(url, study):
    fill(study)
    another = optuna.create_study(storage=open_storage(url), study_name="another")
    another.tell(another.ask(SPACE), 1.0)
    fill(study)
    theirs = RDBStorage(url).get_all_trials(study_id(study))
    states = Counter(trial.state for trial in theirs)
    assert states[TrialState.COMPLETE] == 6
    assert len(states) == 5
    ours = backend(study)
    assert facts(ours.get_all_trials(study_id(study))) == facts(theirs)
    assert facts(ours.get_trial(trial_id(trial)) for trial in theirs) == facts(theirs)
    complete = (TrialState.COMPLETE,)
    assert len(ours.get_all_trials(study_id(study), states=complete)) == 6
    assert len(another.trials) == 1


def test_many_trials_are_read_in_several_statements(study, monkeypatch):
    monkeypatch.setattr("search.storage.frozen_trials.TRIALS_PER_STATEMENT", 2)
    fill(study)
    assert [trial.number for trial in study.trials] == list(range(7))
    assert study.trials[2].params.keys() == SPACE.keys()
