"""Heartbeats of running trials: the time at which a trial's worker last said that it lives."""

from __future__ import annotations

from datetime import datetime

from optuna.trial import TrialState
from sqlalchemy import bindparam, func, insert, select, update

from search.storage.optuna_tables import HEARTBEATS, TRIALS
from search.storage.session import TransactionalStorage

_INSERT_HEARTBEAT = insert(HEARTBEATS)
_UPDATE_HEARTBEAT = (
    update(HEARTBEATS)
    .where(HEARTBEATS.c.trial_id == bindparam("id"))
    .values(heartbeat=func.current_timestamp())
)
_SELECT_HEARTBEATS = (
    select(HEARTBEATS.c.trial_id, HEARTBEATS.c.heartbeat)
    .join(TRIALS)
    .where(TRIALS.c.study_id == bindparam("id"), TRIALS.c.state == TrialState.RUNNING)
)


class HeartbeatStorage(TransactionalStorage):
    """Optuna's storage, with heartbeats written by one statement, and read for a whole study."""

    def record_heartbeat(self, trial_id: int) -> None:
        """Store the time by the database's clock as the trial's last heartbeat."""
        with self._connection() as connection:
            if not connection.execute(_UPDATE_HEARTBEAT, {"id": trial_id}).rowcount:
                connection.execute(_INSERT_HEARTBEAT, {"trial_id": trial_id})

    def last_heartbeats(self, study_id: int) -> dict[int, datetime]:
        """The last heartbeat (UTC) of each running trial of a study, by the trial's id."""
        with self._connection() as connection:
            rows = connection.execute(_SELECT_HEARTBEATS, {"id": study_id}).all()
        return {row.trial_id: row.heartbeat for row in rows}
