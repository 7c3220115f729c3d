"""Tests of what runs on JAX. Keras has one backend a process: they are collected only where that is
JAX; `tests/fmnist_model/jax_engine/test_engine.py` runs them in a process of their own."""

from __future__ import annotations

import os

import pytest

from fmnist_model.dataset.fashion_mnist import split
from tests.fmnist_model.jax_engine.on_jax.helpers import TRIALS, new_engine, train

ON_JAX = os.environ.get("KERAS_BACKEND") == "jax"
collect_ignore_glob = [] if ON_JAX else ["test_*.py"]


@pytest.fixture(scope="session")
def images(everything):
    """650 training images, so that an epoch's last batch is smaller, and 162 to validate on."""
    return split(everything, 650)


@pytest.fixture(scope="session")
def alone(images):
    """An engine with one slot."""
    return new_engine(images, 1)


@pytest.fixture(scope="session")
def four(images):
    """An engine with four slots, two in each group."""
    return new_engine(images, 4)


@pytest.fixture(scope="session")
def side_by_side(four):
    """TRIALS, trained together."""
    return train(four, TRIALS)
