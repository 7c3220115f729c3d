"""Measuring the speed of all slots."""

from __future__ import annotations

import time

import numpy as np
import pytest

from fmnist_model.jax_engine.speed import MAX_ROUNDS, MIN_ROUNDS
from tests.fmnist_model.jax_engine.on_jax.helpers import TRIALS, train

pytestmark = pytest.mark.slow  # JAX compiles a program for most of these tests


def test_it_is_of_all_slots_and_leaves_them_usable(four, side_by_side):
    started = time.perf_counter()
    measured = four.measure()
    whole = time.perf_counter() - started
    assert MIN_ROUNDS <= len(measured.images) <= MAX_ROUNDS
    trained = 4 * 700  # a round is one epoch of 7 whole batches in each of 4 slots
    rounds = sum(trained / speed for speed in measured.images)
    assert 0 < measured.ready + rounds <= whole
    again = train(four, TRIALS)
    for one, other in zip(side_by_side, again, strict=True):
        np.testing.assert_array_equal(one.epochs[-1][0], other.epochs[-1][0])
