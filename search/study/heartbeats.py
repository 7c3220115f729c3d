"""Running trials are heard of, and missed where they are not, whatever the clocks say."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from optuna.exceptions import StorageInternalError
from optuna.study import Study
from optuna.trial import Trial

from search.storage.optuna_internals import stale_trial_ids, study_id, trial_id
from search.storage.rdb import backend


@contextmanager
def beating(trial: Trial, interval: float) -> Iterator[None]:
    """Let the trial be heard of every `interval` seconds while the block runs."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(interval):
            with suppress(StorageInternalError):  # the trial meets the same fault and tells of it
                backend(trial.study).record_heartbeat(trial_id(trial))

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class HeartbeatListener:
    """Tells which running trials of a study have not been heard of for two intervals.

    A heartbeat is a time by the clock of a database or, with SQLite, of the process that wrote it.
    Such clocks may be wrong or set meanwhile, so no two of them are compared: a trial is heard of
    when its heartbeat is another than at the last look. Time is this process's own, which nobody
    sets; and between two looks no more than half an interval counts, for this process may have
    been suspended, and all others with it.
    """

    def __init__(self, study: Study) -> None:
        self._study, self._looked = study, time.monotonic()
        self._heard: dict[int, tuple[datetime, float]] = {}  # the heartbeat, the silence since

    def silent(self) -> set[int]:
        """Look, and return the ids of these trials."""
        storage = backend(self._study)
        interval = storage.get_heartbeat_interval() or 0
        now = time.monotonic()
        passed, self._looked = min(now - self._looked, interval / 2), now
        self._heard = {
            trial: (beat, self._silence(trial, beat, passed))
            for trial, beat in storage.last_heartbeats(study_id(self._study)).items()
        }
        return {trial for trial, (_, silence) in self._heard.items() if silence > 2 * interval}

    def _silence(self, trial: int, beat: datetime, passed: float) -> float:
        before, silence = self._heard.get(trial, (None, 0.0))
        return silence + passed if beat == before else 0.0


def overdue(study: Study) -> set[int]:
    """Ids of the running trials not heard of for two intervals by the database's clock: for who
    looks only once."""
    return set(stale_trial_ids(study))
