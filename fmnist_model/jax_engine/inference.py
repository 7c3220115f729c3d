"""What is computed of one slot's network without dropout: validation scores and active units."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from fmnist_model.diagnosis import LayerCount, OutputCount, count_layer, count_output
from fmnist_model.jax_engine.losses import count_correct, cross_entropy
from fmnist_model.jax_engine.state import DeviceWeights, JaxImages
from fmnist_model.jax_engine.stateless_network import StatelessNetwork
from fmnist_model.training import CHUNK

Score = tuple[jax.Array, jax.Array]
"""Summed loss, float32, and how many are classified correctly, int32; both of shape ()."""

Counts = list[LayerCount | OutputCount]
"""One LayerCount for each hidden layer, then an OutputCount."""


def evaluate(
    network: StatelessNetwork, weights: DeviceWeights, output: ArrayLike, images: JaxImages
) -> Score:
    """The score of one slot's weights on all images, in equal chunks of at most CHUNK images."""
    count = len(images.labels)
    chunks = -(-count // CHUNK)
    size = -(-count // chunks)
    numbers = jnp.arange(chunks * size).reshape(chunks, size)  # those from `count` on are padding

    def add(sums: Score, chunk: jax.Array) -> tuple[Score, None]:
        seen = jnp.minimum(chunk, count - 1)
        present, labels = chunk < count, images.labels[seen]
        logits = network.logits(weights, images.pixels[seen])
        losses = jnp.where(present, cross_entropy(logits, labels, output), 0)
        correct = count_correct(logits, labels, present, output)
        return (sums[0] + jnp.sum(losses), sums[1] + correct), None

    score: Score = lax.scan(add, (jnp.float32(0), jnp.int32(0)), numbers)[0]
    return score


def count_active(
    network: StatelessNetwork,
    weights: DeviceWeights,
    numbers: jax.Array,
    images: JaxImages,
    activation: str,
) -> Counts:
    """Count active units on the images with these numbers."""
    *hidden, logits = network.pre_activations(weights, images.pixels[numbers])
    layers = [count_layer(values, activation) for values in hidden]
    return [*layers, count_output(logits, images.labels[numbers])]
