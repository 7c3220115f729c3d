"""A census, vital signs, and what is not finite, from what a network answers."""

from __future__ import annotations

import numpy as np

from tests.fmnist_model.training.numpy_network import DEAD, NumpyNetwork


def test_a_census_counts_active_units():
    assert NumpyNetwork().census().layers["dense1"].active == 8
    network = NumpyNetwork()
    network.bias[:3] = DEAD
    layer = network.census().layers["dense1"]
    assert (layer.units, layer.active) == (8, 5)
    assert network.census().output is None  # a softmax has nothing to die of


def test_vital_signs_are_shares():
    network = NumpyNetwork()
    network.bias[:2] = DEAD
    signs = network.vital_signs()
    assert (signs.images, signs.dead_fraction, signs.pinned) == (100, {"dense1": 0.25}, {})
    assert signs.scale.keys() == {"dense1", "output"}


def test_the_first_weights_that_are_not_finite_are_named():
    network = NumpyNetwork()
    network.head[0, 0] = np.inf
    assert network.non_finite(slice(20)) == (
        "the kernel of output was made so by the step before",
        "output",
    )


def test_pre_activations_that_overflow_are_named():
    network = NumpyNetwork()
    network.kernel = np.full((12, 8), 3e38, "f4")
    with np.errstate(over="ignore", invalid="ignore"):
        assert network.non_finite(slice(20)) == ("the pre-activations of dense1 overflow", "dense1")


def test_where_all_is_finite_the_loss_overflows():
    assert NumpyNetwork().non_finite(slice(20)) == ("the loss overflows", "output")
