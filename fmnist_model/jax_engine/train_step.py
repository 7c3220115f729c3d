"""One training step of all slots at once, made by `jax.vmap` from that of one slot. JAX only.

`train_step` is the step of a single slot. All in which trials differ (weights, velocity, random
streams, activations, learning rates) is an input of it, so `jax.vmap` can compute it for all slots
side by side: each input gets a leading axis with an entry for each slot. Nothing is ever summed
over that axis, so no slot can affect another. `train_steps` makes several such steps, one after the
other.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import lax

from fmnist_model.diagnosis import LOSS_CEILING
from fmnist_model.jax_engine.losses import count_correct, cross_entropy
from fmnist_model.jax_engine.state import DeviceControls, DeviceWeights, JaxImages
from fmnist_model.jax_engine.stateless_network import StatelessNetwork

Carry = tuple[DeviceWeights, DeviceControls]
Tree = TypeVar("Tree")


class Batch(NamedTuple):
    """Pixels uint8 (b, 28, 28), labels int32 (b,), and which of the images count, bool (b,)."""

    pixels: jax.Array
    labels: jax.Array
    present: jax.Array


class Forward(NamedTuple):
    """One forward pass in training: mean loss (), loss of each image (b,), logits (b, 10), and the
    non-trainable state after it."""

    loss: jax.Array
    losses: jax.Array
    logits: jax.Array
    state: list[jax.Array]


def train_steps(
    network: StatelessNetwork,
    batch_size: int,
    steps: int,
    weights: DeviceWeights,
    controls: DeviceControls,
    rates: jax.Array,
    permutations: jax.Array,
    images: JaxImages,
) -> Carry:
    """Train all slots for `steps` steps; return their weights and controls after them.

    `rates` has the shape (slots, steps of an epoch), `permutations` (slots, padded images).
    """
    slots_step = jax.vmap(partial(train_step, network, batch_size), in_axes=(0, 0, 0, 0, None))

    def step(carry: Carry, _: None) -> tuple[Carry, None]:
        weights, controls = carry
        return slots_step(weights, controls, rates, permutations, images), None

    after: Carry = lax.scan(step, (weights, controls), length=steps)[0]
    return after


def train_step(
    network: StatelessNetwork,
    batch_size: int,
    weights: DeviceWeights,
    controls: DeviceControls,
    rates: jax.Array,
    permutation: jax.Array,
    images: JaxImages,
) -> Carry:
    """One step of one slot by gradient descent with momentum; no change where it has stopped.

    A slot stops at its `end`, once its first layer's gradient has been exactly zero for `patience`
    steps, and after a loss that is not finite, with the weights that gave it.
    """
    batch = _batch(images, permutation, controls.step, batch_size)
    gradients, forward = jax.grad(partial(_loss, network), has_aux=True)(
        weights.trainable, weights.state, batch, controls.output
    )
    active = (controls.step < controls.end) & jnp.isfinite(controls.last_loss)
    active &= controls.zero_grad_steps < controls.patience
    moved = _descend(network, weights, gradients, controls, rates[controls.step])
    moved = _where(active & jnp.isfinite(forward.loss), moved, weights)
    counted = _count(controls, gradients, forward, batch)
    state = _where(active, forward.state, weights.state)
    return moved._replace(state=state), _where(active, counted, controls)


def _batch(images: JaxImages, permutation: jax.Array, step: jax.Array, batch_size: int) -> Batch:
    first = step * batch_size
    numbers = lax.dynamic_slice(permutation, (first,), (batch_size,))
    present = first + jnp.arange(batch_size) < len(images.labels)  # the last batch may be smaller
    return Batch(images.pixels[numbers], images.labels[numbers], present)


def _loss(
    network: StatelessNetwork,
    trainable: list[jax.Array],
    state: list[jax.Array],
    batch: Batch,
    output: jax.Array,
) -> tuple[jax.Array, Forward]:
    logits, state = network.training_logits(trainable, state, batch.pixels)
    losses = jnp.where(batch.present, cross_entropy(logits, batch.labels, output), 0)
    loss = jnp.sum(losses) / jnp.sum(batch.present)
    return loss, Forward(loss, losses, logits, state)


def _descend(
    network: StatelessNetwork,
    weights: DeviceWeights,
    gradients: list[jax.Array],
    controls: DeviceControls,
    rate: jax.Array,
) -> DeviceWeights:
    """The weights after a step of momentum and, for kernels, decoupled weight decay."""
    velocity = [controls.momentum * v + g for v, g in zip(weights.velocity, gradients, strict=True)]
    decay = 1 - rate * controls.weight_decay
    trainable = [
        (w * decay if variable.name == "kernel" else w) - rate * v
        for variable, w, v in zip(network.variables, weights.trainable, velocity, strict=True)
    ]
    return weights._replace(trainable=trainable, velocity=velocity)


def _count(
    controls: DeviceControls, gradients: list[jax.Array], forward: Forward, batch: Batch
) -> DeviceControls:
    no_gradient = jnp.all(gradients[0] == 0)
    above = forward.loss > LOSS_CEILING
    correct = count_correct(forward.logits, batch.labels, batch.present, controls.output)
    return controls._replace(
        step=controls.step + 1,
        zero_grad_steps=jnp.where(no_gradient, controls.zero_grad_steps + 1, 0),
        steps_above_ceiling=jnp.where(above, controls.steps_above_ceiling + 1, 0),
        loss_sum=controls.loss_sum + jnp.sum(forward.losses),
        correct=controls.correct + correct,
        last_loss=forward.loss,
    )


def _where(condition: jax.Array, new: Tree, old: Tree) -> Tree:
    """One of two trees of arrays. Selected, not multiplied: what is NaN stays in its slot."""
    selected: Tree = jax.tree.map(partial(jnp.where, condition), new, old)
    return selected
