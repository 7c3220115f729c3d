"""What the slots of a population hold, on the device and beside it. JAX only."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from fmnist_model.dataset.fashion_mnist import Images


class SlotWeights(NamedTuple):
    """What training changes in each slot: lists of arrays of shape (slots, ...).

    `state` holds Keras's non-trainable variables: random streams, dropout rates, activations.
    """

    trainable: Any
    velocity: Any
    state: Any


class Controls(NamedTuple):
    """One figure a slot, shape (slots,): where its stretch stands, and how it learns.

    `step` is the next one, `end` the one to stop at; `zero_grad_steps`, `steps_above_ceiling`,
    `patience` and the sums are those of `fmnist_model.training.protocol`. A slot with nothing to do
    has `step` = `end`.
    """

    step: Any
    end: Any
    zero_grad_steps: Any
    steps_above_ceiling: Any
    patience: Any
    output: Any
    correct: Any
    momentum: Any
    weight_decay: Any
    loss_sum: Any
    last_loss: Any

    @classmethod
    def idle(cls, slots: int) -> Controls:
        """Of slots that rest, on the host."""
        whole = [np.zeros(slots, np.int32) for _ in range(7)]
        return cls(*whole, *(np.zeros(slots, np.float32) for _ in range(4)))


class JaxImages(NamedTuple):
    """Images on the device: pixels uint8 (n, 28, 28), labels int32 (n,)."""

    pixels: Any
    labels: Any

    @classmethod
    def place(cls, images: Images) -> JaxImages:
        """Copy images to the device once."""
        return cls(jnp.asarray(images.pixels), jnp.asarray(images.labels, jnp.int32))
