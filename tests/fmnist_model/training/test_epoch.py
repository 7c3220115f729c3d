"""An epoch's metrics are means over its images, and a fault ends it early."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.fmnist_model.small_images import changed
from tests.fmnist_model.training import numpy_network
from tests.fmnist_model.training.numpy_network import DEAD, TRAIN, NumpyNetwork


@pytest.mark.parametrize(("batch_size", "steps"), [(20, 10), (30, 8), (1000, 2)])
def test_every_image_counts_once_an_epoch(batch_size, steps):
    network = NumpyNetwork()
    result = numpy_network.run(network, changed(TRAIN, batch_size=batch_size, learning_rate=1e-30))
    assert result.steps_run == steps
    loss, accuracy = network.score()
    assert [m.loss for m in result.history] == pytest.approx([loss] * 2, rel=1e-5)
    assert [m.accuracy for m in result.history] == pytest.approx([accuracy] * 2)


def test_a_fault_ends_the_epoch_where_it_is_found():
    result = numpy_network.run(NumpyNetwork(DEAD), changed(TRAIN, batch_size=10))
    assert (result.stop_reason, result.steps_run, len(result.history)) == ("stuck", 5, 1)


def test_a_loss_that_is_not_finite_is_none_in_the_metrics():
    network = NumpyNetwork()
    network.head = np.full((8, 10), 3e37, "f4") * np.arange(10, dtype="f4")
    result = numpy_network.run(network, TRAIN)
    assert (result.stop_reason, result.diagnosis.kind) == ("diverged", "non_finite")
    assert result.history[0].loss is None
    assert result.steps_run == 1


def test_each_epoch_shows_the_images_in_another_order():
    orders = []
    network = NumpyNetwork()
    numpy_network.run(network, TRAIN, report=lambda _: orders.append(network.order))
    assert not np.array_equal(*orders)
    assert math.isclose(*(order.sum() for order in orders))
