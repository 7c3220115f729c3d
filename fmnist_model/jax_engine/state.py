"""What the slots of an engine hold, on the device and beside it. JAX only.

A slot is one index of the leading axis of these arrays; it holds one trial at a time.
"""

from __future__ import annotations

from typing import Any, Generic, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from fmnist_model.dataset import Images

HostArray = NDArray[Any]
AnyArray = jax.Array | HostArray
A = TypeVar("A")


class SlotWeights(NamedTuple, Generic[A]):
    """What training changes: a list of arrays for each field, in the order of Keras's variables.

    For all slots together the arrays have a leading axis of slots, for a single slot they have
    not. `velocity` is the momentum of each trainable array; `state` holds Keras's non-trainable
    variables, which are random streams, dropout rates and the indices of activations.
    """

    trainable: list[A]
    velocity: list[A]
    state: list[A]


class Controls(NamedTuple, Generic[A]):
    """One number for each slot, shape (slots,): which steps it is to train, how, and what came out.

    `step` is the next step of the epoch and `end` the one to stop before, so a slot with nothing
    to do has `step` = `end`. `zero_grad_steps`, `steps_above_ceiling`, `patience`, `correct`,
    `loss_sum` and `last_loss` are those of `fmnist_model.training.protocol`. `output` is the index
    of the output activation in `fmnist_model.jax_engine.losses.OUTPUTS`. The first seven are int32,
    the last four float32. On the device they are JAX's arrays, on the host NumPy's, which can be
    written to.
    """

    step: A
    end: A
    zero_grad_steps: A
    steps_above_ceiling: A
    patience: A
    output: A
    correct: A
    momentum: A
    weight_decay: A
    loss_sum: A
    last_loss: A

    @classmethod
    def idle(cls, slots: int) -> HostControls:
        """Those of slots with nothing to do, on the host."""
        integers = [np.zeros(slots, np.int32) for _ in range(7)]
        return Controls(*integers, *(np.zeros(slots, np.float32) for _ in range(4)))


DeviceWeights = SlotWeights[jax.Array]
DeviceControls = Controls[jax.Array]
HostControls = Controls[HostArray]


class JaxImages(NamedTuple):
    """Images on the device: pixels uint8 (n, 28, 28), labels int32 (n,)."""

    pixels: jax.Array
    labels: jax.Array

    @classmethod
    def place(cls, images: Images) -> JaxImages:
        """Copy images to the device once."""
        return cls(jnp.asarray(images.pixels), jnp.asarray(images.labels, jnp.int32))
