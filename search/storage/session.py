"""Optuna's storage with transactions that span several of its methods, and with row locks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy import Connection, Engine, bindparam, select
from sqlalchemy.orm import Session, scoped_session

from search.storage.dialects import DURABLE
from search.storage.optuna_internals import session_scope
from search.storage.optuna_tables import STUDIES, TRIALS

_ID: Any = bindparam("id")
_SELECT_STUDY = select(STUDIES.c.study_id).where(STUDIES.c.study_id == _ID)
_SELECT_STATE = select(TRIALS.c.state).where(TRIALS.c.trial_id == _ID)
# SQLite has no row locks, and leaves FOR UPDATE out: there a transaction locks the whole database.
_LOCK_STUDY, _LOCK_TRIAL = _SELECT_STUDY.with_for_update(), _SELECT_STATE.with_for_update()


class TransactionalStorage(RDBStorage):
    """Optuna's storage, whose sessions join the transaction that their thread is in."""

    def __init__(self, url: str, **options: Any) -> None:
        """Open the storage at `url`; for the options, and what is raised, see Optuna's."""
        super().__init__(url, **options)
        self._joined = threading.local()
        self.scoped_session.remove()
        self.scoped_session = scoped_session(self._new_session)  # type: ignore[arg-type]

    def _new_session(self) -> Session:
        """A session for one of Optuna's own methods, which commits and closes it when it returns;
        a transaction that the session has joined goes on."""
        joined = self._transaction()
        if joined is None:
            return Session(self.engine)
        return Session(joined, join_transaction_mode="rollback_only")

    def _transaction(self) -> Connection | None:
        """The connection of the transaction that this thread is in."""
        return getattr(self._joined, "connection", None)

    @contextmanager
    def transaction(self, durable: bool) -> Iterator[None]:
        """All statements of this thread within the block are one transaction; see
        `search.storage.transactions.transaction`."""
        self.remove_session()
        try:
            with self._engines[durable].begin() as self._joined.connection:
                yield
        finally:
            self.remove_session()
            self._joined.connection = None

    @cached_property
    def _engines(self) -> dict[bool, Engine]:
        return {value: self.engine.execution_options(**{DURABLE: value}) for value in (False, True)}

    @contextmanager
    def _connection(self, ignore_integrity_error: bool = True) -> Iterator[Connection]:
        """A connection to execute statements on, without an ORM session's work at each of them.

        It is that of the thread's transaction; outside one, it is committed when the block ends,
        and a row that another process has inserted meanwhile stays as it is or, unless
        `ignore_integrity_error`, raises IntegrityError.
        """
        joined = self._transaction()
        if joined is not None:
            yield joined
            return
        with session_scope(self.scoped_session, ignore_integrity_error) as session:
            yield session.connection()

    def lock_study(self, study_id: int) -> None:
        """Within a transaction, keep others from locking the study; raise KeyError if absent."""
        with self._connection() as connection:
            self._lock_study(connection, study_id)

    def _lock_study(self, connection: Connection, study_id: int) -> None:
        self._require_study(connection, study_id, _LOCK_STUDY)

    def _require_study(
        self, connection: Connection, study_id: int, statement: Any = _SELECT_STUDY
    ) -> None:
        if connection.execute(statement, {"id": study_id}).first() is None:
            raise KeyError(f"there is no study with the id {study_id}")

    def lock_trial(self, trial_id: int) -> TrialState:
        """Within a transaction, keep others from changing the trial's state; return that state."""
        with self._connection() as connection:
            return self._lock_trial(connection, trial_id)

    def _lock_trial(self, connection: Connection, trial_id: int) -> TrialState:
        return TrialState(connection.execute(_LOCK_TRIAL, {"id": trial_id}).scalar_one())

    def _require_unfinished(self, connection: Connection, trial_id: int) -> None:
        """Raise UpdateFinishedTrialError where the trial has ended."""
        state = connection.execute(_SELECT_STATE, {"id": trial_id}).scalar_one()
        self.check_trial_is_updatable(trial_id, state)
