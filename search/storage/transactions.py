"""Transactions on a study, and the locks that are held until they end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from optuna.exceptions import StorageInternalError
from optuna.study import Study
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

from search.storage.optuna_internals import study_id
from search.storage.rdb import backend


@contextmanager
def transaction(study: Study, durable: bool = True) -> Iterator[None]:
    """All that this thread reads and writes of the study within the block is one transaction.

    A kill or an exception at any point leaves nothing of what was written. SQLite's transaction
    locks the whole database for other writers (BEGIN IMMEDIATE). One that is not `durable` does not
    wait for the disk when it commits: no death of a process undoes it, but a power cut can undo it
    as a whole, as long as no durable one has been committed after it.

    Raises StorageInternalError where the database fails.
    """
    try:
        with backend(study).transaction(durable):
            yield
    except SQLAlchemyError as error:
        raise StorageInternalError(str(error)) from error


@contextmanager
def study_lock(study: Study) -> Iterator[None]:
    """A transaction, not a durable one, that holds the study's lock: one worker at a time has it.

    A kill releases it. Raises StorageInternalError where SQLite's lock cannot be had within
    `dialects.SQLITE_BUSY_SECONDS`, for example because the process that holds it is suspended;
    PostgreSQL ends that process's transaction after `dialects.POSTGRESQL_IDLE_SECONDS`.
    """
    with transaction(study, durable=False):
        backend(study).lock_study(study_id(study))
        yield


def lock_trial(study: Study, trial_id: int) -> TrialState:
    """Within a transaction, keep others from changing the trial's state; return that state.

    Call it before anything of the trial is written: once two transactions have written rows that
    refer to the trial, neither of them can lock it.
    """
    return backend(study).lock_trial(trial_id)
