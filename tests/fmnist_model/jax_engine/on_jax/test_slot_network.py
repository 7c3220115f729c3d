"""The network of a slot, inspected: what is dead, what velocity still moves."""

from __future__ import annotations

import numpy as np

from fmnist_model.jax_engine.slot_network import SlotNetwork
from tests.fmnist_model.jax_engine.on_jax.helpers import MODEL, TRAIN, TRIALS, train


def with_dead_layer(engine):
    """Initial weights with a bias of dense1 that no image overcomes."""
    engine._groups[0].start_trial(0, *TRIALS[0])
    weights = engine.weights(0)
    weights[5] = np.full_like(weights[5], -1e3)
    return weights


def test_a_dead_layer_is_proved_at_the_first_check(four):
    """As in the TensorFlow engine's own test."""
    weights = with_dead_layer(four)
    result = train(four, [(MODEL, TRAIN)], weights)[0].result
    assert (result.stop_reason, result.steps_run) == ("stuck", 5)
    diagnosis = result.diagnosis
    assert (diagnosis.kind, diagnosis.layer, diagnosis.certain) == ("dead_layer", "dense1", True)
    recorded = train(four, [(MODEL, TRAIN.model_copy(update={"on_stuck": "record"}))], weights)[0]
    assert recorded.result.epochs_run == 2
    assert not recorded.result.recorded.moved


def test_velocity_is_taken_into_account(four):
    """Dead where it is; the velocity of a dead layer is zero, so it is dead where it goes, too."""
    moving = TRAIN.model_copy(update={"momentum": 0.9, "epochs": 8, "learning_rate": 0.01})
    result = train(four, [(MODEL, moving)], with_dead_layer(four))[0].result
    assert (result.stop_reason, result.diagnosis.certain) == ("stuck", False)
    assert result.diagnosis.evidence["ways_out"] == ["momentum"]


def test_after_momentum_the_weights_are_where_velocity_carries_them(four):
    model, settings = TRIALS[1]  # its momentum is 0.5
    group = four._groups[0]
    group.start_trial(0, model, settings)
    weights = group._weights
    moving = [value.at[0].set(2.0) for value in weights.velocity]
    group._weights = weights._replace(velocity=moving)
    network = SlotNetwork(group, 0, model, settings)
    before = network.weights()
    with network.after_momentum(0.1):
        after = network.weights()
    for old, new, again in zip(before, after, network.weights(), strict=True):
        np.testing.assert_allclose(new.value, old.value - 0.1 * 2.0, atol=1e-6)
        np.testing.assert_array_equal(again.value, old.value)
    assert [(each.layer, each.name) for each in before][:2] == [
        ("conv1", "kernel"),
        ("conv1", "bias"),
    ]
