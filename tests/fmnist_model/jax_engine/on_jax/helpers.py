"""Trials for a vectorized engine, and their weights epoch by epoch."""

from __future__ import annotations

import numpy as np

from fmnist_model.config import ModelConfig, TrainConfig

ACTIVATIONS = ["relu", "sigmoid", "elu", "gelu"]
MODEL = ModelConfig(filters=(4, 8), dense_units=(16,))
TRAIN = TrainConfig(batch_size=100, epochs=2, learning_rate=0.2, precision="float32")


def trial(model=None, **train):
    """A pair of configurations that differ from MODEL and TRAIN in what is given."""
    return MODEL.model_copy(update=model or {}), TRAIN.model_copy(update=train)


TRIALS = [
    trial({"dropout": 0.25}, seed=1),
    trial({"activation": "sigmoid"}, seed=2, learning_rate=0.3, momentum=0.5),
    trial({"activation": "gelu", "dropout": 0.4}, seed=3, epochs=3),
    trial(
        {"activation": "elu", "output_activation": "sigmoid"}, seed=4, learning_rate=0.02, epochs=1
    ),
]
EXPLODING = trial({"activation": "elu"}, learning_rate=1e30, seed=5)
DYING = trial({"output_activation": "relu"}, learning_rate=2.0, seed=6)


def new_engine(
    images, slots, model=MODEL, train=TRAIN, activations=ACTIVATIONS, convolution="matrix"
):
    from fmnist_model.jax_engine.engine import VectorizedEngine

    return VectorizedEngine(model, train, *images, slots, activations, convolution)


class WatchedTrial:
    """A trial in an engine, with its weights at each epoch's end and, once it ended, its result."""

    def __init__(self, engine, trial, weights=None) -> None:
        self._engine, self.epochs = engine, []
        self.slot = engine._next_free()
        self._running = engine.running(*trial, self._keep_weights, weights)
        self.result = None
        self.resume()

    def _keep_weights(self, _metrics) -> bool:
        self.epochs.append(self._engine.weights(self.slot))
        return False

    def resume(self) -> bool:
        """Let it go on, if it has not ended. Has it ended now?"""
        if self.result is None:
            try:
                next(self._running)
            except StopIteration as end:
                self.result = end.value
        return self.result is not None

    def close(self) -> None:
        """Give it up."""
        self._running.close()


def train(engine, queue, weights=None):
    """Train a queue of trials, a new one as soon as a slot is free; return all WatchedTrials."""
    waiting, running, ended = list(queue), [], []
    while waiting or running:
        while waiting and engine._free:
            running.append(WatchedTrial(engine, waiting.pop(0), weights))
            ended.append(running[-1])
        engine.advance()
        running = [each for each in running if not each.resume()]
    return ended


def assert_same(one, other, exactly):
    """Have two WatchedTrials had the same weights at the end of every epoch?"""
    assert len(one.epochs) == len(other.epochs)
    for ours, theirs in zip(one.epochs, other.epochs, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            if exactly:
                np.testing.assert_array_equal(a, b)
            else:
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
