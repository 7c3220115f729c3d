"""The callback that stops stuck runs, for objectives of one's own.

model.fit(x, y, callbacks=[StuckRunCallback(x, y, trial=trial)])
"""

from __future__ import annotations

from typing import Any

import optuna

from fmnist_model.diagnosis import keras_callback
from search.study import TrialRecord


class StuckRunCallback(keras_callback.StuckRunCallback):
    """`fmnist_model.diagnosis.keras_callback.StuckRunCallback` that prunes an Optuna trial.

    The trial gets the attributes `stop_reason` (stuck | diverged) and `diagnosis`, as those of a
    search here have, and optuna.TrialPruned is raised. Without a trial, `fit` is ended.
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        trial: optuna.Trial | None = None,
    ) -> None:
        super().__init__(x, y, batch_size)
        self._trial = trial

    def stop(self) -> None:
        """End `fit`, by an exception where there is a trial."""
        if self._trial is None or self.diagnosis is None:
            super().stop()
            return
        TrialRecord.of_stop(self.diagnosis).write_to(self._trial)
        raise optuna.TrialPruned(self.diagnosis.message)
