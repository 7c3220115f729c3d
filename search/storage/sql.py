"""What is asked of Optuna's tables, statement by statement, and trials made of the answers."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages._rdb.models import (
    StudyModel,
    TrialHeartbeatModel,
    TrialIntermediateValueModel,
    TrialModel,
    TrialParamModel,
    TrialSystemAttributeModel,
    TrialUserAttributeModel,
    TrialValueModel,
)
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import (
    Connection,
    Row,
    Table,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

AT_ONCE = 500
"""Of so many trials the parts are read by one statement."""


def _table(model: Any) -> Table:
    table: Table = model.__table__
    return table


_STUDIES, _TRIALS = _table(StudyModel), _table(TrialModel)
_STEPS, _BEATS = _table(TrialIntermediateValueModel), _table(TrialHeartbeatModel)

_ID: Any = bindparam("id")
SELECT_STUDY = select(_STUDIES.c.study_id).where(_STUDIES.c.study_id == _ID)
STATE = select(_TRIALS.c.state).where(_TRIALS.c.trial_id == _ID)
LOCK_STUDY, LOCK_TRIAL = SELECT_STUDY.with_for_update(), STATE.with_for_update()
"""SQLite knows no such locks: there a transaction has the whole database."""
COUNT = select(func.count()).select_from(_TRIALS).where(_TRIALS.c.study_id == _ID)
BEGIN = insert(_TRIALS)
END = (
    update(_TRIALS)
    .where(_TRIALS.c.trial_id == _ID)
    .values(state=bindparam("ended"), datetime_complete=bindparam("at"))
)
ONE = select(_TRIALS).where(_TRIALS.c.trial_id == _ID)
NEWS = (
    select(_TRIALS)
    .where(_TRIALS.c.study_id == bindparam("study"))
    .where(
        (_TRIALS.c.trial_id > bindparam("after"))
        | _TRIALS.c.trial_id.in_(bindparam("also", expanding=True))
    )
    .order_by(_TRIALS.c.trial_id)
)
KEEP_PARAM = insert(_table(TrialParamModel))
_UNENDED = or_(*(_TRIALS.c.state == state for state in (TrialState.RUNNING, TrialState.WAITING)))
_STEP = ("step", "intermediate_value", "intermediate_value_type")
_NEW_STEP: dict[str, Any] = {
    name: bindparam(f"new_{name}", type_=_STEPS.c[name].type) for name in _STEP
}
_SAME_STEP = _STEPS.c.step == _NEW_STEP["step"]
KEEP_STEP = (
    insert(_STEPS)
    .from_select(
        ["trial_id", *_STEP],
        select(_ID, *_NEW_STEP.values())
        .select_from(_TRIALS)
        .where(_TRIALS.c.trial_id == _ID, _UNENDED)
        .where(~exists().where(_STEPS.c.trial_id == _ID, _SAME_STEP)),
    )
    .execution_options(preserve_rowcount=True)
)
"""Writes where the trial has not ended, and there is no such step."""
FORGET_STEP = delete(_STEPS).where(_STEPS.c.trial_id == _ID, _SAME_STEP)
KEEP_VALUE = insert(_table(TrialValueModel))
FIRST_BEAT = insert(_BEATS)
BEAT = update(_BEATS).where(_BEATS.c.trial_id == _ID).values(heartbeat=func.current_timestamp())
HEARD = (
    select(_BEATS.c.trial_id, _BEATS.c.heartbeat)
    .join(_TRIALS)
    .where(_TRIALS.c.study_id == _ID, _TRIALS.c.state == TrialState.RUNNING)
)
"""The last heartbeat of each running trial of a study."""


def _forget_attributes(model: Any) -> Any:
    table = _table(model)
    named = table.c.key.in_(bindparam("keys", expanding=True))
    return delete(table).where(table.c.trial_id == _ID, named)


_KINDS = (TrialUserAttributeModel, TrialSystemAttributeModel)
FORGET_ATTRIBUTES = {model: _forget_attributes(model) for model in _KINDS}
_KEEP_ATTRIBUTES = {model: insert(_table(model)) for model in _KINDS}


def keep_attributes(
    connection: Connection, model: Any, trial_id: int, attributes: Mapping[str, Any]
) -> None:
    """Write user or system attributes, as `model` says, that are not there."""
    rows = [
        {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}
        for key, value in attributes.items()
    ]
    if rows:
        connection.execute(_KEEP_ATTRIBUTES[model], rows)


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


def read(connection: Connection, trials: Sequence[Row[Any]]) -> list[FrozenTrial]:
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


def kept(time: datetime | None) -> datetime | None:
    """A local time as it is kept: the reverse."""
    return time.astimezone(UTC).replace(tzinfo=None) if time is not None else None
