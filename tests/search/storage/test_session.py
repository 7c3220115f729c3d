"""One transaction over several methods, Optuna's own included, and the locks within it."""

from __future__ import annotations

import pytest
from optuna.trial import TrialState

from search.storage.optuna_internals import storage_of, study_id, trial_id
from search.storage.rdb import backend


def test_methods_of_optuna_join_the_transaction(study):
    """One that Optuna executes by its object mapper, and one of this project's."""
    key = trial_id(study.ask())

    def change_and_fail() -> None:
        with backend(study).transaction(durable=True):
            study.set_user_attr("a", 1)
            storage_of(study).set_trial_user_attr(key, "b", 2)
            assert study.user_attrs == {"a": 1}
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_and_fail()
    assert study.user_attrs == {}
    assert backend(study).get_trial(key).user_attrs == {}
    study.set_user_attr("a", 3)  # commits by itself again
    assert study.user_attrs == {"a": 3}


def test_a_lock_on_a_study_that_is_absent_is_a_key_error(study):
    storage = backend(study)
    with storage.transaction(durable=False):
        storage.lock_study(study_id(study))
        with pytest.raises(KeyError, match="there is no study with the id 7"):
            storage.lock_study(7)


def test_a_lock_on_a_trial_returns_its_state(study):
    trial = study.ask()
    with backend(study).transaction(durable=True):
        assert backend(study).lock_trial(trial_id(trial)) == TrialState.RUNNING
    study.tell(trial, 0.5)
    with backend(study).transaction(durable=True):
        assert backend(study).lock_trial(trial_id(trial)) == TrialState.COMPLETE
