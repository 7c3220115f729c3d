"""Heartbeats: a running trial sends them, and a trial that sends none any more is stale.

Stale is Optuna's word for a running trial whose worker has died or has lost its database.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from optuna.exceptions import StorageInternalError
from optuna.study import Study
from optuna.trial import Trial

from search.storage import backend, stale_trial_ids, study_id, trial_id


@contextmanager
def sending_heartbeats(trial: Trial, interval: float) -> Iterator[None]:
    """Send a heartbeat of the trial every `interval` seconds while the block runs."""
    ended = threading.Event()

    def send() -> None:
        while not ended.wait(interval):
            with suppress(StorageInternalError):  # the trial meets the same fault and reports it
                backend(trial.study).record_heartbeat(trial_id(trial))

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class HeartbeatListener:
    """Tells which running trials of a study have sent no heartbeat for two intervals.

    A heartbeat is a time by the clock of a database or, with SQLite, of the process that wrote it.
    Such clocks may be wrong, or be set while the search runs, so no two of them are compared: a
    trial has sent a heartbeat when the stored time differs from the one read before. How long it
    has sent none is measured by this process's monotonic clock, which nobody sets. Between two
    readings no more than half an interval counts, for this process may have been suspended, and all
    others with it.
    """

    def __init__(self, study: Study) -> None:
        self._study, self._read_at = study, time.monotonic()
        self._last: dict[int, tuple[datetime, float]] = {}
        """By trial id: the last heartbeat, and for how many seconds there has been no other."""

    def stale(self) -> set[int]:
        """Read the heartbeats; return the ids of the trials that have sent none for too long."""
        storage = backend(self._study)
        interval = storage.get_heartbeat_interval() or 0
        now = time.monotonic()
        passed, self._read_at = min(now - self._read_at, interval / 2), now
        self._last = {
            key: (heartbeat, self._seconds_without(key, heartbeat, passed))
            for key, heartbeat in storage.last_heartbeats(study_id(self._study)).items()
        }
        return {key for key, (_, seconds) in self._last.items() if seconds > 2 * interval}

    def _seconds_without(self, key: int, heartbeat: datetime, passed: float) -> float:
        before, seconds = self._last.get(key, (None, 0.0))
        return seconds + passed if heartbeat == before else 0.0


def stale_by_database_clock(study: Study) -> set[int]:
    """Ids of the running trials whose last heartbeat is older than two intervals by the clock of
    the database: for a process that reads only once."""
    return set(stale_trial_ids(study))
