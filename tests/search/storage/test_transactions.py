"""Transactions on a study. Kills in the middle of one are in tests/faults/test_transactions.py."""

from __future__ import annotations

import contextlib

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState
from sqlalchemy import text

from search.storage.connection import open_storage
from search.storage.optuna_internals import trial_id
from search.storage.rdb import backend
from search.storage.transactions import lock_trial, study_lock, transaction


def test_all_of_the_block_is_committed_together(url, study):
    other = optuna.load_study(study_name="s", storage=open_storage(url))
    with transaction(study):
        study.set_user_attr("a", 1)
    assert other.user_attrs == {"a": 1}
    with contextlib.suppress(ZeroDivisionError), transaction(study):
        study.set_user_attr("a", 2)
        raise ZeroDivisionError
    assert other.user_attrs == {"a": 1}


def test_a_fault_of_the_database_is_optunas_exception(study):
    with pytest.raises(StorageInternalError, match="no_such_table"), transaction(study):
        backend(study).scoped_session().execute(text("SELECT * FROM no_such_table"))
    with study_lock(study):
        study.set_user_attr("a", 1)
    assert study.user_attrs == {"a": 1}


def test_a_trial_is_locked_within_a_transaction(study):
    trial = study.ask()
    with study_lock(study):
        assert lock_trial(study, trial_id(trial)) == TrialState.RUNNING
        study.tell(trial, 0.5)
    assert study.trials[0].value == 0.5
