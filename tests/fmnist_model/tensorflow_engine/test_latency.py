"""How long a network takes for an image."""

from __future__ import annotations

import pytest

from fmnist_model.tensorflow_engine.engine import TensorFlowEngine
from fmnist_model.tensorflow_engine.latency import PASSES, WARM_UP, measure_latency, timed
from fmnist_model.tensorflow_engine.trainable_network import TrainableNetwork
from fmnist_model.training.engine_protocol import LatencyEngine
from tests.fmnist_model.small_images import BASE, changed, same, trained


class Clock:
    """A clock that goes on by what it is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_first_passes_do_not_count(monkeypatch):
    clock, calls = Clock(), []
    monkeypatch.setattr("time.perf_counter", clock)

    def forward():
        calls.append(1)
        n = len(calls) - WARM_UP
        clock.now += 0.001 * (n % 4) if n > 0 else 9.0  # 0, 1, 2 and 3 ms in turn

    found = timed(forward)
    assert len(calls) == WARM_UP + PASSES
    assert found.median_ms == pytest.approx(1.5, abs=0.51)
    assert found.spread_ms == pytest.approx(1.5, abs=0.51)


def test_a_larger_network_takes_longer():
    small, large = (
        measure_latency(TrainableNetwork(changed(BASE, dense_units=(units,)), "float32"))
        for units in (8, 16_384)
    )
    assert 0 < small.median_ms < large.median_ms
    assert small.spread_ms >= 0


def test_before_the_first_run_there_is_nothing_to_measure(few):
    with pytest.raises(ValueError, match="no run has been made yet"):
        TensorFlowEngine(*few).latency()


def test_measuring_changes_nothing(few):
    engine = TensorFlowEngine(*few)
    assert isinstance(engine, LatencyEngine)
    _, weights = trained(engine)
    engine.latency()
    assert same(weights, engine.weights())
