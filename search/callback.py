"""A Keras callback for your own Optuna objective: it stops a stuck run and prunes its trial.

model.fit(x, y, callbacks=[StuckRunCallback(x, y, trial=trial)])
"""

from __future__ import annotations

from typing import Any

import optuna

from fmnist_model.diagnosis import keras_callback
from search.study import TrialRecord


class StuckRunCallback(keras_callback.StuckRunCallback):
    """Stops `fit` when the run is stuck or its loss is not finite, and prunes the Optuna trial.

    The checks are those of `fmnist_model.diagnosis.keras_callback.StuckRunCallback`. When one of
    them stops the run, the trial gets the user attributes `stop_reason` ("stuck" or "diverged") and
    `diagnosis`, which the trials of a search of this project have, too.

    Args:
        x: The training inputs as `fit` gets them: arrays, structures of arrays, or a finite
            tf.data.Dataset of batches, which contains the targets, too.
        y: The targets. Without them, a ReLU output is recognised as dead only if all of its units
            are zero.
        batch_size: The batch size given to `fit`, if the data are arrays.
        trial: The trial that the objective was called with. Without it, `fit` ends without an
            exception, and `diagnosis` says why.

    Raises:
        optuna.TrialPruned: By `fit`, once the run is stopped.
        ValueError: If the data cannot be read repeatedly, or, when `fit` begins, if the model is
            neither functional nor sequential.

    Example:
        One of two biases is so low that no input makes a hidden unit positive:

        >>> import keras, numpy as np, optuna
        >>> from search.callback import StuckRunCallback
        >>> x, y = np.ones((64, 3), "float32"), np.ones(64, "float32")
        >>> def objective(trial):
        ...     bias = keras.initializers.Constant(trial.suggest_categorical("bias", [0.1, -1e3]))
        ...     hidden = keras.layers.Dense(8, "relu", bias_initializer=bias, name="hidden")
        ...     model = keras.Sequential([keras.Input((3,)), hidden, keras.layers.Dense(1)])
        ...     model.compile("sgd", "mse")
        ...     callback = StuckRunCallback(x, y, trial=trial)
        ...     history = model.fit(x, y, epochs=2, verbose=0, callbacks=[callback])
        ...     return history.history["loss"][-1]
        >>> optuna.logging.set_verbosity(optuna.logging.ERROR)
        >>> study = optuna.create_study(sampler=optuna.samplers.GridSampler({"bias": [0.1, -1e3]}))
        >>> study.optimize(objective, n_trials=2)
        >>> [trial.state.name for trial in sorted(study.trials, key=lambda t: t.params["bias"])]
        ['PRUNED', 'COMPLETE']
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
        """End `fit`: with a trial, by raising optuna.TrialPruned."""
        if self._trial is None or self.diagnosis is None:
            super().stop()
            return
        TrialRecord.of_stop(self.diagnosis).write_to(self._trial)
        raise optuna.TrialPruned(self.diagnosis.message)
