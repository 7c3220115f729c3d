"""A small network and a short training run, for tests of the engine."""

from __future__ import annotations

import numpy as np

from fmnist_model.config import ModelConfig, TrainConfig

SMALL = {"filters": (4, 8), "dense_units": 16}
BASE = ModelConfig(activation="relu", dropout=0.25, **SMALL)
SHORT = TrainConfig(batch_size=100, epochs=2, learning_rate=0.2, seed=7)


def changed(config, **changes):
    return config.model_copy(update=changes)


def trained(engine, model=BASE, train=SHORT):
    result = engine.run(model, train)
    return result, engine.weights()


def same(ours, theirs) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
