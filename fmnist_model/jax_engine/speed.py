"""How fast the slots of an engine train together. JAX only."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.jax_engine.slot_group import SlotGroup

MEASURED_SECONDS = 1.0
MIN_ROUNDS, MAX_ROUNDS = 2, 20
"""Rounds are measured until they have taken MEASURED_SECONDS, but at least and at most so many."""


class Speed(NamedTuple):
    """Seconds until the program was compiled, and images/s in each of some rounds thereafter."""

    ready: float
    images: list[float]


def measure_speed(
    groups: Sequence[SlotGroup], slots: int, model: ModelConfig, train: TrainConfig
) -> Speed:
    """Train all slots of all groups, of which `slots` are in use, round by round.

    Must be called while no slot has a trial; what the slots hold is overwritten.
    """
    started = time.perf_counter()
    for group in groups:
        _fill(group, model, train)
    _round(groups)
    ready = time.perf_counter() - started
    times: list[float] = []
    while len(times) < MIN_ROUNDS or (sum(times) < MEASURED_SECONDS and len(times) < MAX_ROUNDS):
        started = time.perf_counter()
        _round(groups)
        times.append(time.perf_counter() - started)
    trainer = groups[0].trainer
    images = slots * trainer.steps_per_call * trainer.batch_size
    return Speed(ready, [images / seconds for seconds in times])


def _fill(group: SlotGroup, model: ModelConfig, train: TrainConfig) -> None:
    """Put weights and images into all slots: with zeros a device would be faster than it is."""
    trainer = group.trainer
    drawn = trainer.network.draw(train.seed)
    permutation = np.random.default_rng(0).permutation(len(trainer.train_images.labels))
    for slot in range(trainer.slots):
        group.start_trial(slot, model, train, drawn)
        group.set_permutation(slot, permutation)


def _round(groups: Sequence[SlotGroup]) -> None:
    jax.block_until_ready([group.dispatch_all() for group in groups])
