"""Reads trials in a handful of statements, however many trials there are."""

from __future__ import annotations

from collections.abc import Container

from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import bindparam, select

from search.storage.frozen_trials import read_trials
from search.storage.optuna_tables import TRIALS
from search.storage.session import TransactionalStorage

_ONE_TRIAL = select(TRIALS).where(TRIALS.c.trial_id == bindparam("id"))
_NEW_OR_INCLUDED_TRIALS = (
    select(TRIALS)
    .where(TRIALS.c.study_id == bindparam("study"))
    .where(
        (TRIALS.c.trial_id > bindparam("greater_than"))
        | TRIALS.c.trial_id.in_(bindparam("included", expanding=True))
    )
    .order_by(TRIALS.c.trial_id)
)


class TrialReader(TransactionalStorage):
    """Optuna's storage, with trials read by plain statements instead of its object mapper."""

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """The trial as it is stored now; raise KeyError where there is none."""
        with self._connection() as connection:
            rows = connection.execute(_ONE_TRIAL, {"id": trial_id}).all()
            trials = read_trials(connection, rows)
        if not trials:
            raise KeyError(f"there is no trial with the id {trial_id}")
        return trials[0]

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        """The study's trials with greater ids, and those that are included, in the order of ids.

        Optuna's cache calls it, and includes the trials that had not ended when it last did.
        """
        wanted = {
            "study": study_id,
            "greater_than": trial_id_greater_than,
            "included": sorted(included_trial_ids),
        }
        with self._connection() as connection:
            rows = connection.execute(_NEW_OR_INCLUDED_TRIALS, wanted).all()
            trials = read_trials(connection, rows)
            if not trials:
                self._require_study(connection, study_id)
        return [trial for trial in trials if states is None or trial.state in states]
