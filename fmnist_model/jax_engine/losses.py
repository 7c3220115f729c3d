"""Loss and accuracy of a slot, whose output activation is data like its weights. JAX only."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import keras
from jax.typing import ArrayLike

from fmnist_model.config import OutputActivation
from fmnist_model.network import losses as keras_losses

OUTPUTS: tuple[OutputActivation, ...] = ("softmax", "relu", "sigmoid")
"""The output activations that a slot may have."""


def cross_entropy(logits: jax.Array, labels: jax.Array, output: ArrayLike) -> jax.Array:
    """The loss of each image, float32 (n,), with the activation OUTPUTS[output] on logits (n, 10).

    Sigmoid trains exactly as softmax does; ReLU is clipped, so that its loss and slope are finite.
    """
    plain, clipped = (keras_losses.scores(name, logits) for name in ("softmax", "relu"))
    scores = jnp.where(output == OUTPUTS.index("relu"), clipped, plain)
    losses: jax.Array = keras_losses.cross_entropy_of(scores, labels)
    return losses


def count_correct(
    logits: jax.Array, labels: jax.Array, present: jax.Array, output: ArrayLike
) -> jax.Array:
    """How many of the images that are `present`, bool (n,), are classified correctly: int32."""
    outputs = jax.lax.switch(output, [keras.activations.get(name) for name in OUTPUTS], logits)
    return jnp.sum((jnp.argmax(outputs, axis=-1) == labels) & present, dtype=jnp.int32)
