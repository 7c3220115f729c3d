"""The compiled loop stops where it has to, and says where it stands."""

from __future__ import annotations

import numpy as np
import pytest

from fmnist_model.training.protocol import TrainRequest
from tests.fmnist_model.small_images import BASE, SHORT, changed, same

MODEL = changed(BASE, dropout=0.0)


@pytest.fixture
def program(engine):
    program = engine.program(MODEL, "float32")
    program.reset(changed(SHORT, precision="float32"), dropout=0.0)
    program.show(1, SHORT)
    return program


def request(first=0, steps=20, rate=0.1, zero=0, above=0, patience=5) -> TrainRequest:
    return TrainRequest(np.full(steps, rate, np.float32), first, 100, zero, above, patience)


def test_it_trains_to_the_epochs_end(program):
    reply = program.train(request())
    assert (reply.step, reply.zero_grad_steps, reply.steps_above_ceiling) == (20, 0, 0)
    assert 0 < reply.correct < 2000
    assert np.isfinite(reply.loss_sum)


def test_two_parts_are_the_same_as_the_whole(program):
    whole, weights = program.train(request()), [w.value for w in program.weights()]
    program.reset(changed(SHORT, precision="float32"), dropout=0.0)
    first = program.train(request(steps=8)._replace(rates=np.full(8, 0.1, np.float32)))
    second = program.train(request(first=8))
    assert same(weights, [w.value for w in program.weights()])
    assert first.correct + second.correct == whole.correct
    assert second.last_loss == whole.last_loss


def test_it_stops_after_patience_without_a_gradient(program):
    (bias,) = [v for v in program.variables if v.path.endswith("dense1/bias")]
    bias.assign(np.full(bias.shape, -1e3))
    reply = program.train(request())
    assert (reply.step, reply.zero_grad_steps) == (5, 5)
    reply = program.train(request(first=5, zero=5, patience=10))
    assert (reply.step, reply.zero_grad_steps) == (10, 10)


def test_it_stops_at_a_loss_that_is_not_finite_with_the_weights_that_gave_it(program):
    (bias,) = [v for v in program.variables if v.path.endswith("output/bias")]
    bias.assign([np.nan, *[0.0] * 9])
    before = [w.value for w in program.weights()]
    reply = program.train(request())
    assert reply.step == 1
    assert not np.isfinite(reply.last_loss)
    kept = [w.value for w in program.weights()]
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(before, kept, strict=True))


def test_steps_above_the_ceiling_are_counted(program):
    (bias,) = [v for v in program.variables if v.path.endswith("output/bias")]
    bias.assign([1e4, *[0.0] * 9])
    reply = program.train(request(steps=3, rate=1e-9, above=2))
    assert reply.steps_above_ceiling == 5
