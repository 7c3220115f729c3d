"""Requests to a group of slots, and the replies."""

from __future__ import annotations

import numpy as np
import pytest

from fmnist_model.jax_engine.slot_group import SlotGroup
from fmnist_model.training.protocol import EvalRequest, TrainReply, TrainRequest
from tests.fmnist_model.jax_engine.on_jax.helpers import TRIALS

STEPS = 7
RATES = np.full(STEPS, 0.1, np.float32)
EPOCH = TrainRequest(
    RATES, first=0, batch_size=100, zero_grad_steps=0, steps_above_ceiling=0, patience=100
)


@pytest.fixture
def group(four):
    """One of two slots, with a trial in the second one, and programs that are compiled already."""
    group = SlotGroup(four._groups[0].trainer)
    group.start_trial(1, *TRIALS[3])
    group.set_permutation(1, np.arange(650))
    return group


def test_an_epoch_is_replied_to_once(group):
    group.submit(1, EPOCH)
    assert not group.busy
    group.dispatch()
    assert group.busy
    assert not group.has_reply(1)
    group.collect()
    assert not group.busy
    reply = group.take_reply(1)
    assert isinstance(reply, TrainReply)
    assert (reply.step, reply.zero_grad_steps) == (STEPS, 0)
    assert 0 < reply.correct <= 650
    assert np.isfinite(reply.loss_sum)
    assert not group.has_reply(1)


def test_what_nobody_requested_is_not_trained(group):
    before = [np.array(value) for value in group.weights(1).trainable]
    group.dispatch()
    group.collect()
    assert not group.has_reply(0)
    assert not group.has_reply(1)
    for old, new in zip(before, group.weights(1).trainable, strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_score_is_a_mean_over_the_validation_images(group):
    group.submit(1, EvalRequest())
    group.dispatch()
    group.collect()
    loss, accuracy = group.take_reply(1)
    assert 1.5 < loss < 3.5
    assert (accuracy * 162) == pytest.approx(round(accuracy * 162))


def test_a_released_slot_gets_no_reply(group):
    group.submit(1, EPOCH)
    group.dispatch()
    group.release(1)
    group.dispatch()
    group.collect()
    assert not group.has_reply(1)
