"""Reading trials: no more of them than may have changed, and a KeyError where there is nothing."""

from __future__ import annotations

import pytest
import sqlalchemy

from search.storage.optuna_internals import trial_id
from search.storage.rdb import backend
from tests.search.storage.conftest import fill


def test_trials_that_have_ended_are_read_once(study):
    """The second time, only those that had not ended are read again."""
    fill(study)
    study.get_trials(deepcopy=False)
    executed: list[tuple] = []

    def note(_connection, _cursor, statement, parameters, _context, _many) -> None:
        if "trial_user_attributes" in statement:
            executed.append(parameters)

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", note)
    try:
        again = study.get_trials(deepcopy=False)
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", note)
    open_ids = {trial_id(trial) for trial in again if not trial.state.is_finished()}
    ids = [p.values() if isinstance(p, dict) else p for p in executed]
    assert [set(each) for each in ids] == [open_ids]


def test_what_is_absent_is_a_key_error(study):
    with pytest.raises(KeyError):
        backend(study).get_trial(7)
    with pytest.raises(KeyError):
        backend(study).get_all_trials(7)
    assert study.trials == []
