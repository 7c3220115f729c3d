"""A run asks for training, then for an evaluation, in every epoch."""

from __future__ import annotations

import numpy as np

from fmnist_model.training.protocol import EvalRequest, TrainRequest
from fmnist_model.training.run import TrialRun
from tests.fmnist_model.training.numpy_network import CPU, MODEL, TRAIN, NumpyNetwork


def test_what_a_run_asks_for():
    network = NumpyNetwork()
    generator = TrialRun(network, MODEL, TRAIN, CPU, 2.3, validated=True).train(None)
    first = next(generator)
    assert isinstance(first, TrainRequest)
    assert (first.first, first.batch_size, first.patience) == (0, 20, 5)
    np.testing.assert_array_equal(first.rates, np.full(5, 0.5, np.float32))
    second = generator.send(network.train(first))
    assert isinstance(second, EvalRequest)
    third = generator.send(network.score())
    assert isinstance(third, TrainRequest)
