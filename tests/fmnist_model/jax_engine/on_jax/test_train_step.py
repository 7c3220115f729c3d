"""One step of one slot against the formula, and when it changes nothing."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fmnist_model.jax_engine.losses import cross_entropy
from fmnist_model.jax_engine.state import Controls, JaxImages
from fmnist_model.jax_engine.train_step import train_step
from tests.fmnist_model.jax_engine.on_jax.helpers import TRIALS

pytestmark = pytest.mark.slow  # JAX compiles a program for most of these tests

BATCH, RATE, MOMENTUM, DECAY = 100, 0.1, 0.5, 0.25
RATES = jnp.full(7, RATE, jnp.float32)


@pytest.fixture(scope="module")
def network(alone):
    return alone._groups[0].trainer.network


@pytest.fixture(scope="module")
def weights(network):
    """A trial's first weights, as if its velocity were one everywhere."""
    first = jax.tree.map(jnp.asarray, network.first_weights(*TRIALS[3]))
    return first._replace(velocity=[jnp.ones_like(value) for value in first.velocity])


def step(network, weights, images, permutation=None, **changed):
    """The weights and controls after a step with these controls."""
    zeros = Controls(*(numbers[0] for numbers in Controls.idle(1)))
    given = {"end": 7, "patience": 5, "momentum": MOMENTUM, "weight_decay": DECAY} | changed
    controls = jax.tree.map(jnp.asarray, zeros._replace(**given))
    permutation = jnp.arange(700) if permutation is None else permutation
    placed = JaxImages.place(images[0])
    compiled = jax.jit(partial(train_step, network, BATCH))
    return compiled(weights, controls, RATES, permutation, placed)


def test_it_is_gradient_descent_with_momentum_and_decoupled_weight_decay(network, weights, images):
    pixels, labels = images[0].pixels[:BATCH], jnp.asarray(images[0].labels[:BATCH], jnp.int32)

    def mean_loss(trainable):
        logits = network.logits(weights._replace(trainable=trainable), jnp.asarray(pixels))
        return cross_entropy(logits, labels, 0).mean()

    loss, gradients = jax.jit(jax.value_and_grad(mean_loss))(weights.trainable)
    moved, controls = step(network, weights, images)
    pairs = zip(weights.trainable, gradients, moved.trainable, network.variables, strict=True)
    for old, gradient, new, variable in pairs:
        kept = old * (1 - RATE * DECAY) if variable.name == "kernel" else old
        np.testing.assert_allclose(new, kept - RATE * (MOMENTUM + gradient), rtol=1e-4, atol=1e-6)
    assert (int(controls.step), int(controls.zero_grad_steps)) == (1, 0)
    np.testing.assert_allclose(controls.last_loss, loss, rtol=1e-5)
    np.testing.assert_allclose(controls.loss_sum, BATCH * loss, rtol=1e-5)


def test_the_padding_of_the_last_batch_counts_for_nothing(network, weights, images):
    """The last batch has 50 images; what its permutation holds beyond them does not matter."""
    plain = jnp.arange(700).at[650:].set(0)
    other = plain.at[650:].set(17)
    one, ours = step(network, weights, images, plain, step=6)
    two, theirs = step(network, weights, images, other, step=6)
    for a, b in zip(one.trainable, two.trainable, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(ours.loss_sum, theirs.loss_sum, rtol=1e-6)
    assert int(ours.correct) == int(theirs.correct) <= 50


@pytest.mark.parametrize(
    "changed", [{"step": 7}, {"zero_grad_steps": 5}, {"last_loss": np.float32(np.inf)}]
)
def test_a_slot_that_has_stopped_stays_as_it_is(network, weights, images, changed):
    moved, controls = step(network, weights, images, **changed)
    for old, new in zip(jax.tree.leaves(weights), jax.tree.leaves(moved), strict=True):
        np.testing.assert_array_equal(old, new)
    assert int(controls.step) == changed.get("step", 0)


def test_after_a_loss_that_is_not_finite_the_weights_are_those_that_gave_it(
    network, weights, images
):
    broken = weights._replace(trainable=[*weights.trainable[:-1], jnp.full(10, jnp.inf)])
    moved, controls = step(network, broken, images)
    for old, new in zip(broken.trainable, moved.trainable, strict=True):
        np.testing.assert_array_equal(old, new)
    assert not np.isfinite(controls.last_loss)
    assert int(controls.step) == 1
