"""A Keras callback that stops a run once it cannot learn any more. TensorFlow backend.

    model.fit(x, y, epochs=50, callbacks=[StuckRunCallback(x, y)])

When the model is checked is decided here; what a check is, in
`fmnist_model.diagnosis.dead_model_check`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from fmnist_model.diagnosis.dead_model_check import DeadModelCheck
from fmnist_model.diagnosis.diagnose import Diagnosis, diverged
from fmnist_model.diagnosis.evidence import Moment
from fmnist_model.diagnosis.training_data import Samples, TrainingData

FIRST_CHECK = 10
"""Steps before the first check. The steps before the next one double each time; there is a check at
each epoch's end, too."""
EPOCHS = 2
"""Epochs in a row that have to end with a death that is not certain before `fit` is ended."""

Logs = Mapping[str, Any] | None


class StuckRunCallback(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Stops `fit` when the run is stuck, or its loss is not finite; `diagnosis` then says why.

    Most checks use the first batch alone; a model that is dead there is checked on everything. A
    diagnosis is `certain` only for plain SGD on arrays, and where nothing before the dead layers is
    random, depends on the batch, decays or is unknown (`fmnist_model.diagnosis.revival`). A model
    whose death is not certain has to be dead at two epochs' ends in a row; one that weight decay,
    constraints or averaged weights might revive is never stopped.

    A check goes through a dataset once more. A shuffled one notices that: its later orders differ.

    Args:
        x: The training inputs as `fit` gets them: arrays, structures of arrays, or a finite
            tf.data.Dataset of batches, which has the targets, too.
        y: The targets. Without them, of a ReLU output only the death in which all of its units are
            zero is recognised.
        batch_size: That of `fit`, for arrays.

    Raises:
        ValueError: If the data cannot be gone through again and again, or, when `fit` begins, if
            the model is neither functional nor sequential.

    Example:
        A network whose hidden units have a bias that no input overcomes:

        >>> import keras
        >>> import numpy as np
        >>> x, y = np.ones((64, 3), "float32"), np.ones(64, "float32")
        >>> hidden = keras.layers.Dense(8, "relu", name="hidden", bias_initializer="zeros")
        >>> model = keras.Sequential([keras.Input((3,)), hidden, keras.layers.Dense(1)])
        >>> hidden.set_weights([np.zeros((3, 8)), np.full(8, -100.0)])
        >>> model.compile(keras.optimizers.SGD(0.1), "mse")
        >>> callback = StuckRunCallback(x, y)
        >>> history = model.fit(x, y, epochs=50, verbose=0, callbacks=[callback])
        >>> len(history.epoch), callback.diagnosis.kind, callback.diagnosis.layer
        (1, 'dead_layer', 'hidden')
    """

    def __init__(
        self, x: Samples | tf.data.Dataset, y: Samples = None, batch_size: int = 32
    ) -> None:
        super().__init__()
        self._data = TrainingData(x, y, batch_size)
        self.diagnosis: Diagnosis | None = None

    def on_train_begin(self, logs: Logs = None) -> None:  # noqa: ARG002
        """Read the model's graph."""
        self.diagnosis = None
        self._check = DeadModelCheck(self.model, self._data)
        self._step, self._next_check, self._dead_epochs = 0, FIRST_CHECK, 0

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:  # noqa: ARG002
        """Remember the epoch, for the diagnosis."""
        self._epoch, self._step_of_epoch = epoch + 1, 0

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Stop at a loss that is not finite; check the model when it is time."""
        self._step += 1
        self._step_of_epoch = batch + 1
        now = self._now(logs)
        if not math.isfinite(now.loss) and not self._loss_is_scaled():
            self._stop(diverged(now, "loss", None, None))
        elif self._step >= self._next_check:
            self._next_check *= 2
            found = self._check.diagnose(now)
            if found is not None and found.certain:
                self._stop(found)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:  # noqa: ARG002
        """Check the model."""
        if self.diagnosis is not None:
            return
        found = self._check.diagnose(self._now(logs))
        self._dead_epochs = self._dead_epochs + 1 if found is not None else 0
        if found is not None and (found.certain or self._dead_epochs >= EPOCHS):
            self._stop(found)

    def _loss_is_scaled(self) -> bool:
        """If so, Keras leaves out steps whose loss overflows, and goes on."""
        return isinstance(self.model.optimizer, keras.optimizers.LossScaleOptimizer)

    def stop(self) -> None:
        """What to do once there is a diagnosis: end `fit` after this step."""
        self.model.stop_training = True

    def _stop(self, diagnosis: Diagnosis) -> None:
        self.diagnosis = diagnosis
        self.stop()

    def _now(self, logs: Logs) -> Moment:
        return Moment(self._epoch, self._step_of_epoch, float((logs or {}).get("loss", 0.0)))
