"""Optuna's database, read and written in few plain statements.

Optuna's own storage goes through SQLAlchemy's object mapper, and asks anew for each attribute of a
trial: that took more of a short trial's time than anything else. Tables and meaning are Optuna's.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    check_distribution_compatibility,
    distribution_to_json,
)
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import (
    TrialIntermediateValueModel,
    TrialSystemAttributeModel,
    TrialUserAttributeModel,
    TrialValueModel,
)
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session, scoped_session

from search.storage import sql as ask


class FastRDBStorage(RDBStorage):
    """Optuna's storage, faster, and with a way to set several attributes at once."""

    def __init__(self, url: str, **options: Any) -> None:
        """Open the storage at `url`; for the options, and what is raised, see Optuna's."""
        super().__init__(url, **options)
        self._joined = threading.local()
        self.scoped_session.remove()
        self.scoped_session = scoped_session(self._session)  # type: ignore[arg-type]

    def _session(self) -> Session:
        """What Optuna's own methods ask through. They commit it, and close it, after each step;
        the transaction that it joins goes on."""
        joined = self._transaction()
        if joined is None:
            return Session(self.engine)
        return Session(joined, join_transaction_mode="rollback_only")

    def _transaction(self) -> Connection | None:
        """The connection of the transaction that this thread is in."""
        return getattr(self._joined, "connection", None)

    @contextmanager
    def transaction(self, lasting: bool) -> Iterator[None]:
        """All that this thread asks within the block is one transaction; see
        `search.storage.connection.transaction`."""
        self.remove_session()
        try:
            with self._engines[lasting].begin() as self._joined.connection:
                yield
        finally:
            self.remove_session()
            self._joined.connection = None

    @cached_property
    def _engines(self) -> dict[bool, Engine]:
        return {on: self.engine.execution_options(lasting=on) for on in (False, True)}

    @contextmanager
    def _connected(self, lenient: bool = True) -> Iterator[Connection]:
        """What a session of Optuna's has, without the session's own work at each statement.

        Within `search.storage.connection.transaction` it is that one's connection. Else, if
        `lenient`, what another has written meanwhile is left as it is.
        """
        joined = self._transaction()
        if joined is not None:
            yield joined
            return
        with _create_scoped_session(self.scoped_session, lenient) as session:
            yield session.connection()

    def lock_study(self, study_id: int) -> None:
        """Within a transaction, keep others from locking the study; raise KeyError if absent."""
        with self._connected() as connection:
            self._lock_study(connection, study_id)

    def _lock_study(self, connection: Connection, study_id: int) -> None:
        if connection.execute(ask.LOCK_STUDY, {"id": study_id}).first() is None:
            raise KeyError(f"there is no study with the id {study_id}")

    def lock_trial(self, trial_id: int) -> TrialState:
        """Within a transaction, keep others from ending the trial; return how it stands."""
        with self._connected() as connection:
            return TrialState(connection.execute(ask.LOCK_TRIAL, {"id": trial_id}).scalar_one())

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """The trial as it stands; raise KeyError where there is none."""
        with self._connected() as connection:
            found = ask.read(connection, connection.execute(ask.ONE, {"id": trial_id}).all())
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
            trials = ask.read(connection, connection.execute(ask.NEWS, wanted).all())
            if (
                not trials
                and connection.execute(ask.SELECT_STUDY, {"id": study_id}).first() is None
            ):
                raise KeyError(f"there is no study with the id {study_id}")
        return [trial for trial in trials if states is None or trial.state in states]

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        """Keep what a trial reports; raise UpdateFinishedTrialError where it has ended."""
        value, kind = TrialIntermediateValueModel.intermediate_value_to_stored_repr(
            intermediate_value
        )
        kept = {
            "id": trial_id,
            "new_step": step,
            "new_intermediate_value": value,
            "new_intermediate_value_type": kind,
        }
        with self._connected() as connection:
            if not connection.execute(ask.KEEP_STEP, kept).rowcount:
                self._check(connection, trial_id)
                connection.execute(ask.FORGET_STEP, kept)
                connection.execute(ask.KEEP_STEP, kept)

    def _create_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None = None
    ) -> FrozenTrial:
        """Create a trial with a template's attributes; one that has more is left to Optuna."""
        trial = copy.deepcopy(template_trial)
        if trial is None or trial.params or trial.intermediate_values or trial.state.is_finished():
            return super()._create_new_trial(study_id, trial)
        with self._connected(lenient=False) as connection:
            self._lock_study(connection, study_id)
            trial.number = connection.execute(ask.COUNT, {"id": study_id}).scalar_one()
            begun = {
                "study_id": study_id,
                "number": trial.number,
                "state": trial.state,
                "datetime_start": ask.kept(trial.datetime_start),
            }
            result = connection.execute(ask.BEGIN, begun)
            trial._trial_id = result.inserted_primary_key[0]  # type: ignore[index]
            for model, attributes in (
                (TrialUserAttributeModel, trial.user_attrs),
                (TrialSystemAttributeModel, trial.system_attrs),
            ):
                ask.keep_attributes(connection, model, trial._trial_id, attributes)
        return trial

    def record_heartbeat(self, trial_id: int) -> None:
        """Let a trial be heard of."""
        with self._connected() as connection:
            if not connection.execute(ask.BEAT, {"id": trial_id}).rowcount:
                connection.execute(ask.FIRST_BEAT, {"trial_id": trial_id})

    def heard(self, study_id: int) -> dict[int, datetime]:
        """The last heartbeat of each running trial of a study, by the trial's id."""
        with self._connected() as connection:
            rows = connection.execute(ask.HEARD, {"id": study_id}).all()
        return {row.trial_id: row.heartbeat for row in rows}

    def _set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
        previous_distribution: BaseDistribution | None,
    ) -> None:
        """Keep a parameter; the study's earlier distribution of it is known but the first time."""
        if previous_distribution is None:
            super()._set_trial_param(
                trial_id, param_name, param_value_internal, distribution, previous_distribution
            )
            return
        check_distribution_compatibility(previous_distribution, distribution)
        with self._connected() as connection:
            self._check(connection, trial_id)
            connection.execute(
                ask.KEEP_PARAM,
                {
                    "trial_id": trial_id,
                    "param_name": param_name,
                    "param_value": param_value_internal,
                    "distribution_json": distribution_to_json(distribution),
                },
            )

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """End a trial, or let one run that waits; False where it runs already. Raise as above."""
        if not state.is_finished():
            return super().set_trial_state_values(trial_id, state, values)
        with self._connected(lenient=False) as connection:
            before = connection.execute(ask.LOCK_TRIAL, {"id": trial_id}).scalar_one()
            self.check_trial_is_updatable(trial_id, before)
            for objective, number in enumerate(values or ()):
                value, kind = TrialValueModel.value_to_stored_repr(number)
                row = {"trial_id": trial_id, "objective": objective}
                connection.execute(ask.KEEP_VALUE, row | {"value": value, "value_type": kind})
            ended = {"id": trial_id, "ended": state, "at": ask.kept(datetime.now())}
            connection.execute(ask.END, ended)
        return True

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
        forget = ask.FORGET_ATTRIBUTES[model]
        connection.execute(forget, {"id": trial_id, "keys": list(attributes)})
        ask.keep_attributes(connection, model, trial_id, attributes)

    def _check(self, connection: Connection, trial_id: int) -> None:
        state = connection.execute(ask.STATE, {"id": trial_id}).scalar_one()
        self.check_trial_is_updatable(trial_id, state)
