"""How long a network takes for one image: forward passes, one after the other, by the clock."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from fmnist_model.config import IMAGE_SIDE
from fmnist_model.tensorflow_engine.concrete_function import ConcreteFunction
from fmnist_model.tensorflow_engine.trainable_network import TrainableNetwork
from fmnist_model.training import Latency

WARM_UP, PASSES = 20, 200
"""The first passes, which are slower, are not counted; of the others the median is taken."""


def measure_latency(network: TrainableNetwork) -> Latency:
    """How long a network takes for an image, from its pixels to its outputs on the host."""
    forward = ConcreteFunction(
        network.logits, [tf.TensorSpec((1, IMAGE_SIDE, IMAGE_SIDE), tf.uint8)]
    )
    image = tf.constant(
        np.random.default_rng(0).integers(0, 256, (1, IMAGE_SIDE, IMAGE_SIDE)), tf.uint8
    )
    return timed(lambda: forward(image).numpy())


def timed(forward: Callable[[], object]) -> Latency:
    """The latency of a function that returns when its result is there."""
    taken = []
    for _ in range(WARM_UP + PASSES):
        started = time.perf_counter()
        forward()
        taken.append(1000 * (time.perf_counter() - started))
    first, middle, third = np.quantile(taken[WARM_UP:], [0.25, 0.5, 0.75])
    return Latency(float(middle), float(third - first))
