"""A small network and a short training run, for tests of the engine."""

from __future__ import annotations

from dataclasses import replace

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


def told(result):
    """All that a result says, the times apart and what says that the run was continued."""
    history = tuple(replace(metrics, images_per_second=0) for metrics in result.history)
    checks = tuple(replace(check, seconds=0) for check in result.checks)
    times = {"train_seconds": 0, "images_per_second": 0, "continued_from": 0}
    times["earlier_seconds"] = 0
    return replace(result, history=history, checks=checks, **times)
