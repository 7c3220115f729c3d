"""Stored keys stay as they are."""

from __future__ import annotations

from fmnist_model.training.run_counts import Check


def test_a_check_is_stored_under_the_keys_it_has_always_had():
    stored = Check(1, 5, 5, "dead_layer", "dense1", True, True, 0.1).to_dict()
    assert stored["quiet_steps"] == 5
    assert "zero_grad_steps" not in stored
    assert list(stored)[:2] == ["epoch", "step"]
