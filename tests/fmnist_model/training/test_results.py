"""Every diagnosis that stops a run has its stop reason, and stored keys stay as they are."""

from __future__ import annotations

import typing

import pytest

from fmnist_model.diagnosis.diagnose import Kind
from fmnist_model.training.results import StopReason, stop_reason_of


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("dead_output", "stuck"),
        ("dead_layer", "stuck"),
        ("exploded", "diverged"),
        ("non_finite", "diverged"),
    ],
)
def test_the_stop_reasons(kind, reason):
    assert stop_reason_of(kind) == reason
    assert reason in typing.get_args(StopReason)


@pytest.mark.parametrize("kind", ["healthy", "slow", "saturated"])
def test_the_living_are_not_stopped(kind):
    assert kind in typing.get_args(Kind)
    with pytest.raises(ValueError, match=f"'{kind}' stops no run; only dead_output, "):
        stop_reason_of(kind)
