"""An engine without slots works as one with a single slot."""

from __future__ import annotations

import pytest

from fmnist_model.training.engine_protocol import (
    LatencyEngine,
    OneSlotEngine,
    ParallelEngine,
    as_parallel,
)
from tests.fmnist_model.small_images import changed
from tests.fmnist_model.training import numpy_network
from tests.fmnist_model.training.numpy_network import MODEL, TRAIN, NumpyNetwork


class NumpyEngine:
    """Trains a new network each time."""

    can_continue = True

    def run(self, model, train, report=None, *, start=None, keep=False):
        return numpy_network.run(NumpyNetwork(), train, model, report, start, keep)


def test_a_sequential_engine_trains_all_of_a_run_at_once():
    engine, seen = as_parallel(NumpyEngine()), []
    assert engine.slots == 1
    running = engine.running(MODEL, TRAIN, lambda metrics: seen.append(metrics))
    assert seen == []
    result = ended(running)
    engine.advance()
    assert [metrics.epoch for metrics in seen] == [1, 2]
    assert result.history == tuple(seen)


def test_it_continues_runs_as_the_engine_does():
    engine, longer = OneSlotEngine(NumpyEngine()), changed(TRAIN, epochs=3)
    assert engine.can_continue
    kept = ended(engine.running(MODEL, TRAIN, keep=True)).checkpoint
    assert kept.epoch == 2
    result = ended(engine.running(MODEL, longer, start=kept))
    assert (result.epochs_run, result.continued_from, result.checkpoint) == (3, 2, None)


def ended(running):
    with pytest.raises(StopIteration) as end:
        next(running)
    return end.value.value


def test_an_engine_with_slots_stays_as_it_is():
    engine = OneSlotEngine(NumpyEngine())
    assert isinstance(engine, ParallelEngine)
    assert as_parallel(engine) is engine


def test_only_an_engine_that_measures_latency_is_one_that_does():
    assert not isinstance(NumpyEngine(), LatencyEngine)
    assert not isinstance(OneSlotEngine(NumpyEngine()), LatencyEngine)
