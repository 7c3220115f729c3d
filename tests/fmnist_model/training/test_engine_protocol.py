"""An engine without slots works as one with a single slot."""

from __future__ import annotations

import pytest

from fmnist_model.training.engine_protocol import OneSlotEngine, ParallelEngine, as_parallel
from tests.fmnist_model.training import numpy_network
from tests.fmnist_model.training.numpy_network import MODEL, TRAIN, NumpyNetwork


class NumpyEngine:
    """Trains a new network each time."""

    def run(self, model, train, report=None):
        return numpy_network.run(NumpyNetwork(), train, model, report)


def test_a_sequential_engine_trains_all_of_a_run_at_once():
    engine, seen = as_parallel(NumpyEngine()), []
    assert engine.slots == 1
    running = engine.running(MODEL, TRAIN, lambda metrics: seen.append(metrics))
    assert seen == []
    with pytest.raises(StopIteration) as end:
        next(running)
    engine.advance()
    assert [metrics.epoch for metrics in seen] == [1, 2]
    assert end.value.value.history == tuple(seen)


def test_an_engine_with_slots_stays_as_it_is():
    engine = OneSlotEngine(NumpyEngine())
    assert isinstance(engine, ParallelEngine)
    assert as_parallel(engine) is engine
