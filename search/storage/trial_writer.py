"""Writes trials in as few statements as there are facts: one for each report of a trial."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    check_distribution_compatibility,
    distribution_to_json,
)
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import (
    Connection,
    Delete,
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
from sqlalchemy.orm import Session

from search.storage.optuna_internals import set_trial_id
from search.storage.optuna_tables import (
    INTERMEDIATE_VALUES,
    PARAMS,
    SYSTEM_ATTRIBUTES,
    TRIALS,
    USER_ATTRIBUTES,
    VALUES,
    encode_intermediate_value,
    encode_time,
    encode_value,
    table_of,
)
from search.storage.session import TransactionalStorage

_ID: Any = bindparam("id")
_COUNT_TRIALS = select(func.count()).select_from(TRIALS).where(TRIALS.c.study_id == _ID)
_INSERT_TRIAL = insert(TRIALS)
_END_TRIAL = (
    update(TRIALS)
    .where(TRIALS.c.trial_id == _ID)
    .values(state=bindparam("end_state"), datetime_complete=bindparam("end_time"))
)
_INSERT_PARAM, _INSERT_VALUE = insert(PARAMS), insert(VALUES)

_UNFINISHED = or_(*(TRIALS.c.state == state for state in (TrialState.RUNNING, TrialState.WAITING)))
_COLUMNS = ("step", "intermediate_value", "intermediate_value_type")
_NEW: dict[str, Any] = {
    name: bindparam(f"new_{name}", type_=INTERMEDIATE_VALUES.c[name].type) for name in _COLUMNS
}
_SAME_STEP = INTERMEDIATE_VALUES.c.step == _NEW["step"]
_INSERT_INTERMEDIATE_VALUE = (
    insert(INTERMEDIATE_VALUES)
    .from_select(
        ["trial_id", *_COLUMNS],
        select(_ID, *_NEW.values())
        .select_from(TRIALS)
        .where(TRIALS.c.trial_id == _ID, _UNFINISHED)
        .where(~exists().where(INTERMEDIATE_VALUES.c.trial_id == _ID, _SAME_STEP)),
    )
    .execution_options(preserve_rowcount=True)
)
"""Inserts a row if the trial has not ended and has no value at that step: its row count says so."""
_DELETE_INTERMEDIATE_VALUE = delete(INTERMEDIATE_VALUES).where(
    INTERMEDIATE_VALUES.c.trial_id == _ID, _SAME_STEP
)


def _delete_attributes(table: Table) -> Delete:
    named = table.c.key.in_(bindparam("keys", expanding=True))
    return delete(table).where(table.c.trial_id == _ID, named)


_ATTRIBUTES = (USER_ATTRIBUTES, SYSTEM_ATTRIBUTES)
_DELETE_ATTRIBUTES = {table: _delete_attributes(table) for table in _ATTRIBUTES}
_INSERT_ATTRIBUTES = {table: insert(table) for table in _ATTRIBUTES}


class TrialWriter(TransactionalStorage):
    """Optuna's storage, with trials written by plain statements instead of its object mapper.

    Every method that sets something raises UpdateFinishedTrialError where the trial has ended.
    """

    def _create_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None = None
    ) -> FrozenTrial:
        """Create a trial with a template's attributes; one that has more is left to Optuna."""
        trial = copy.deepcopy(template_trial)
        if trial is None or trial.params or trial.intermediate_values or trial.state.is_finished():
            return super()._create_new_trial(study_id, trial)
        with self._connection(ignore_integrity_error=False) as connection:
            self._lock_study(connection, study_id)
            trial.number = connection.execute(_COUNT_TRIALS, {"id": study_id}).scalar_one()
            row = {
                "study_id": study_id,
                "number": trial.number,
                "state": trial.state,
                "datetime_start": encode_time(trial.datetime_start),
            }
            result = connection.execute(_INSERT_TRIAL, row)
            (trial_id,) = result.inserted_primary_key  # type: ignore[misc]
            set_trial_id(trial, trial_id)
            _insert_attributes(connection, USER_ATTRIBUTES, trial_id, trial.user_attrs)
            _insert_attributes(connection, SYSTEM_ATTRIBUTES, trial_id, trial.system_attrs)
        return trial

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        """Write what a trial reports, over what it has reported for the same step before."""
        value, kind = encode_intermediate_value(intermediate_value)
        row = {
            "id": trial_id,
            "new_step": step,
            "new_intermediate_value": value,
            "new_intermediate_value_type": kind,
        }
        with self._connection() as connection:
            if not connection.execute(_INSERT_INTERMEDIATE_VALUE, row).rowcount:
                self._require_unfinished(connection, trial_id)
                connection.execute(_DELETE_INTERMEDIATE_VALUE, row)
                connection.execute(_INSERT_INTERMEDIATE_VALUE, row)

    def _set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
        previous_distribution: BaseDistribution | None,
    ) -> None:
        """Write a parameter; if no other trial of the study has it (`previous_distribution` is
        None), Optuna does it, and checks the distribution."""
        if previous_distribution is None:
            super()._set_trial_param(
                trial_id, param_name, param_value_internal, distribution, previous_distribution
            )
            return
        check_distribution_compatibility(previous_distribution, distribution)
        row = {
            "trial_id": trial_id,
            "param_name": param_name,
            "param_value": param_value_internal,
            "distribution_json": distribution_to_json(distribution),
        }
        with self._connection() as connection:
            self._require_unfinished(connection, trial_id)
            connection.execute(_INSERT_PARAM, row)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """End a trial, or start one that waits; return False where that one runs already."""
        if not state.is_finished():
            return super().set_trial_state_values(trial_id, state, values)
        with self._connection(ignore_integrity_error=False) as connection:
            self.check_trial_is_updatable(trial_id, self._lock_trial(connection, trial_id))
            for objective, number in enumerate(values or ()):
                value, kind = encode_value(number)
                row = {"trial_id": trial_id, "objective": objective}
                connection.execute(_INSERT_VALUE, row | {"value": value, "value_type": kind})
            end = {"id": trial_id, "end_state": state, "end_time": encode_time(datetime.now())}
            connection.execute(_END_TRIAL, end)
        return True

    def set_trial_user_attrs(self, trial_id: int, attributes: Mapping[str, Any]) -> None:
        """Write several user attributes of a trial, over those with the same names."""
        with self._connection() as connection:
            self._replace_attributes(connection, USER_ATTRIBUTES, trial_id, attributes)

    def _set_trial_attr_without_commit(
        self, session: Session, model_cls: Any, trial_id: int, key: str, value: Any
    ) -> None:
        """Write a user or system attribute; all of Optuna's methods that set one call this."""
        table = table_of(model_cls)
        self._replace_attributes(session.connection(), table, trial_id, {key: value})

    def _replace_attributes(
        self, connection: Connection, table: Table, trial_id: int, attributes: Mapping[str, Any]
    ) -> None:
        self._require_unfinished(connection, trial_id)
        replaced = {"id": trial_id, "keys": list(attributes)}
        connection.execute(_DELETE_ATTRIBUTES[table], replaced)
        _insert_attributes(connection, table, trial_id, attributes)


def _insert_attributes(
    connection: Connection, table: Table, trial_id: int, attributes: Mapping[str, Any]
) -> None:
    rows = [
        {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}
        for key, value in attributes.items()
    ]
    if rows:
        connection.execute(_INSERT_ATTRIBUTES[table], rows)
