"""Tests of what runs on JAX. Keras has one backend a process: they are collected only where that is
JAX; tests/fmnist_model/jax_engine/test_engine.py runs them in a process of their own."""

from __future__ import annotations

import os

import pytest

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.dataset.fashion_mnist import split

ON_JAX = os.environ.get("KERAS_BACKEND") == "jax"
collect_ignore_glob = [] if ON_JAX else ["test_*.py"]

ACTIVATIONS = ["relu", "sigmoid", "elu", "gelu"]
MODEL = ModelConfig(filters=(4, 8), dense_units=(16,))
TRAIN = TrainConfig(batch_size=100, epochs=2, learning_rate=0.2, precision="float32")


@pytest.fixture(scope="session")
def images(everything):
    """650 training images, so that an epoch's last batch is smaller, and 162 to validate on."""
    return split(everything, 650)


def made(images, slots, model=MODEL, train=TRAIN, activations=ACTIVATIONS, convolution="matrix"):
    from fmnist_model.jax_engine.engine import VectorizedEngine

    return VectorizedEngine(model, train, *images, slots, activations, convolution)


@pytest.fixture(scope="session")
def alone(images):
    return made(images, 1)


@pytest.fixture(scope="session")
def four(images):
    return made(images, 4)
