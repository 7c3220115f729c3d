"""Optuna's database, read and written in few plain statements.

Optuna's own storage goes through SQLAlchemy's object mapper, and asks anew for each attribute of a
trial: that took more of a short trial's time than anything else. Tables and meaning are Optuna's.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import (
    StudyModel,
    TrialIntermediateValueModel,
    TrialModel,
    TrialParamModel,
    TrialSystemAttributeModel,
    TrialUserAttributeModel,
    TrialValueModel,
)
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, Row, Table, bindparam, delete, insert, select
from sqlalchemy.orm import Session

AT_ONCE = 500
"""Of so many trials the parts are read by one statement."""


class Database(RDBStorage):
    """Optuna's storage, faster, and with a way to set several attributes at once."""

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """What a session of Optuna's has, without the session's own work at each statement."""
        with _create_scoped_session(self.scoped_session, True) as session:
            yield session.connection()

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """The trial as it stands; raise KeyError where there is none."""
        with self._connected() as connection:
            found = _read(connection, connection.execute(_ONE, {"id": trial_id}).all())
        if not found:
            raise KeyError(f"there is no trial with the id {trial_id}")
        return found[0]

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        """Those of a study with greater ids, and those included, in the order of ids. Optuna's
        cache asks so for what it does not know to have ended."""
        wanted = {
            "study": study_id,
            "after": trial_id_greater_than,
            "also": sorted(included_trial_ids),
        }
        with self._connected() as connection:
            trials = _read(connection, connection.execute(_NEWS, wanted).all())
            if not trials and connection.execute(_STUDY, {"id": study_id}).first() is None:
                raise KeyError(f"there is no study with the id {study_id}")
        return [trial for trial in trials if states is None or trial.state in states]

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        """Keep what a trial reports; raise UpdateFinishedTrialError where it has ended."""
        value, kind = TrialIntermediateValueModel.intermediate_value_to_stored_repr(
            intermediate_value
        )
        with self._connected() as connection:
            self._check(connection, trial_id)
            connection.execute(_FORGET_STEP, {"id": trial_id, "at": step})
            connection.execute(
                _KEEP_STEP,
                {
                    "trial_id": trial_id,
                    "step": step,
                    "intermediate_value": value,
                    "intermediate_value_type": kind,
                },
            )

    def set_trial_user_attrs(self, trial_id: int, attributes: Mapping[str, Any]) -> None:
        """Keep several user attributes of a trial; raise as above."""
        with self._connected() as connection:
            self._keep(connection, TrialUserAttributeModel, trial_id, attributes)

    def _set_trial_attr_without_commit(
        self, session: Session, model_cls: Any, trial_id: int, key: str, value: Any
    ) -> None:
        """Keep a user or system attribute: all of Optuna's ways to do so end here."""
        self._keep(session.connection(), model_cls, trial_id, {key: value})

    def _keep(
        self, connection: Connection, model: Any, trial_id: int, attributes: Mapping[str, Any]
    ) -> None:
        self._check(connection, trial_id)
        forget, keep = _ATTRIBUTES[model]
        connection.execute(forget, {"id": trial_id, "keys": list(attributes)})
        rows = [
            {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}
            for key, value in attributes.items()
        ]
        connection.execute(keep, rows)

    def _check(self, connection: Connection, trial_id: int) -> None:
        state = connection.execute(_STATE, {"id": trial_id}).scalar_one()
        self.check_trial_is_updatable(trial_id, state)


def _table(model: Any) -> Table:
    table: Table = model.__table__
    return table


_TRIALS, _STEPS = _table(TrialModel), _table(TrialIntermediateValueModel)

_ID: Any = bindparam("id")
_STUDY = select(_table(StudyModel)).where(_table(StudyModel).c.study_id == _ID)
_STATE = select(_TRIALS.c.state).where(_TRIALS.c.trial_id == _ID)
_ONE = select(_TRIALS).where(_TRIALS.c.trial_id == _ID)
_NEWS = (
    select(_TRIALS)
    .where(_TRIALS.c.study_id == bindparam("study"))
    .where(
        (_TRIALS.c.trial_id > bindparam("after"))
        | _TRIALS.c.trial_id.in_(bindparam("also", expanding=True))
    )
    .order_by(_TRIALS.c.trial_id)
)
_KEEP_STEP = insert(_STEPS)
_FORGET_STEP = delete(_STEPS).where(_STEPS.c.trial_id == _ID, _STEPS.c.step == bindparam("at"))


def _attributes(model: Any) -> tuple[Any, Any]:
    """Forgets some attributes of a trial, and keeps some."""
    table = _table(model)
    named = table.c.key.in_(bindparam("keys", expanding=True))
    return delete(table).where(table.c.trial_id == _ID, named), insert(table)


_ATTRIBUTES = {
    model: _attributes(model) for model in (TrialUserAttributeModel, TrialSystemAttributeModel)
}


def _parts(model: Any) -> Any:
    """Asks for all rows of a table that belong to some trials, in the order they were written."""
    table = _table(model)
    ids: Any = bindparam("ids", expanding=True)
    (key,) = table.primary_key
    return select(table).where(table.c.trial_id.in_(ids)).order_by(key)


_PARTS = {
    "params": _parts(TrialParamModel),
    "values": _parts(TrialValueModel),
    "steps": _parts(TrialIntermediateValueModel),
    "user_attrs": _parts(TrialUserAttributeModel),
    "system_attrs": _parts(TrialSystemAttributeModel),
}


def _read(connection: Connection, trials: Sequence[Row[Any]]) -> list[FrozenTrial]:
    """The trials with all that belongs to them.

    Their states have been read before: of one that had ended then, all the rest is there.
    """
    read: list[FrozenTrial] = []
    for first in range(0, len(trials), AT_ONCE):
        chunk = trials[first : first + AT_ONCE]
        ids = {"ids": [trial.trial_id for trial in chunk]}
        parts = {name: _by_trial(connection.execute(ask, ids)) for name, ask in _PARTS.items()}
        read += [
            _frozen(trial, {name: rows[trial.trial_id] for name, rows in parts.items()})
            for trial in chunk
        ]
    return read


def _by_trial(rows: Iterable[Row[Any]]) -> defaultdict[int, list[Row[Any]]]:
    found: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        found[row.trial_id].append(row)
    return found


def _frozen(trial: Row[Any], parts: Mapping[str, list[Row[Any]]]) -> FrozenTrial:
    distributions = {
        row.param_name: _distribution(row.distribution_json) for row in parts["params"]
    }
    values = [
        TrialValueModel.stored_repr_to_value(row.value, row.value_type)
        for row in sorted(parts["values"], key=lambda row: row.objective)
    ]
    step_of = TrialIntermediateValueModel.stored_repr_to_intermediate_value
    return FrozenTrial(
        number=trial.number,
        state=trial.state,
        value=None,
        values=values or None,
        datetime_start=_local(trial.datetime_start),
        datetime_complete=_local(trial.datetime_complete),
        params={
            row.param_name: distributions[row.param_name].to_external_repr(row.param_value)
            for row in parts["params"]
        },
        distributions=distributions,
        user_attrs={row.key: json.loads(row.value_json) for row in parts["user_attrs"]},
        system_attrs={row.key: json.loads(row.value_json) for row in parts["system_attrs"]},
        intermediate_values={
            row.step: step_of(row.intermediate_value, row.intermediate_value_type)
            for row in parts["steps"]
        },
        trial_id=trial.trial_id,
    )


@lru_cache(maxsize=1024)
def _distribution(text: str) -> BaseDistribution:
    return json_to_distribution(text)


def _local(time: datetime | None) -> datetime | None:
    """Optuna keeps times in UTC, and shows them in local time, both without saying so."""
    return time.replace(tzinfo=UTC).astimezone().replace(tzinfo=None) if time is not None else None
