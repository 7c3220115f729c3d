"""The usual trial: build, compile and `fit` in float32, anew for every trial.

The network is the one that this toolkit trains, with pooling before the activation; images are
NumPy arrays with values from 0 to 1, as in every tutorial.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import optuna

from benchmarks.peers.question import Log
from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.dataset.fashion_mnist import Images
from fmnist_model.network.build import build_network


class Arrays(NamedTuple):
    """Training and validation images as `fit` takes them: float32 (n, 28, 28, 1) and labels."""

    pixels: Any
    labels: Any
    val_pixels: Any
    val_labels: Any


def arrays(train: Images, validation: Images) -> Arrays:
    """The images as arrays."""
    return Arrays(_scaled(train), train.labels, _scaled(validation), validation.labels)


def _scaled(images: Images) -> Any:
    return images.pixels[..., np.newaxis].astype(np.float32) / 255


def compiled(model: ModelConfig, train: TrainConfig) -> keras.Model:
    """The network of a configuration, compiled for `fit`."""
    network = build_network(model)
    network.compile(
        keras.optimizers.SGD(train.learning_rate, momentum=train.momentum),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return network


def fit(
    model: ModelConfig,
    train: TrainConfig,
    data: Arrays,
    callbacks: Sequence[keras.callbacks.Callback],
    epochs: int | None = None,
) -> float:
    """Train a new network; return its validation accuracy after the last epoch."""
    keras.backend.clear_session()  # as Optuna's Keras example does
    keras.utils.set_random_seed(train.seed)
    history = compiled(model, train).fit(
        data.pixels,
        data.labels,
        batch_size=train.batch_size,
        epochs=epochs or train.epochs,
        validation_data=(data.val_pixels, data.val_labels),
        callbacks=list(callbacks),
        verbose=0,
    )
    return float(history.history["val_accuracy"][-1])


class Prune(keras.callbacks.Callback):
    """Reports each epoch to an Optuna trial and ends it when its pruner says so."""

    def __init__(self, trial: optuna.Trial) -> None:
        super().__init__()
        self._trial, self._pruned = trial, False

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Report the validation accuracy; stop if the trial is to end here."""
        assert logs is not None
        self._trial.report(logs["val_accuracy"], epoch + 1)
        self.model.stop_training = self._pruned = self._trial.should_prune()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Raise TrialPruned if that is why training ends; the last of the callbacks."""
        if self._pruned:
            raise optuna.TrialPruned


class Tell(keras.callbacks.Callback):
    """Reports each trial and epoch to a log, and whether the trial was stuck at its end.

    A run counts as stuck if the gradient of its first layer is then exactly zero on the first
    thousand training images, without dropout. The log's clock is stopped meanwhile.
    """

    def __init__(self, log: Log, data: Arrays) -> None:
        super().__init__()
        self._log, self._data = log, data

    def __deepcopy__(self, _memo: dict[int, Any]) -> Tell:
        """KerasTuner copies its callbacks for each trial; the log is one."""
        return self

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """A trial begins."""
        self._log.begin()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """An epoch has ended."""
        assert logs is not None
        self._log.epoch(logs["val_accuracy"])

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """A trial has ended."""
        with self._log.paused():
            stuck = self._gradient_is_zero()
        self._log.end(stuck)

    def _gradient_is_zero(self) -> bool:
        import tensorflow as tf

        pixels, labels = self._data.pixels[:1000], self._data.labels[:1000]
        kernel = self.model.trainable_variables[0]
        with tf.GradientTape() as tape:
            outputs = self.model(pixels, training=False)
            loss = self.model.compute_loss(pixels, labels, outputs)
        return bool(tf.reduce_all(tape.gradient(loss, kernel.value) == 0))
