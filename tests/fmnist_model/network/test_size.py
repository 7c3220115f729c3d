"""The number of weights is Keras's, for every kind of network."""

from __future__ import annotations

import pytest

from fmnist_model.config import ModelConfig
from fmnist_model.network.size import parameters

NETWORKS = [
    {},
    {"padding": "same", "batch_normalization": True},
    {"filters": [8], "kernel_size": 5, "dense_units": [32, 16]},
    {"filters": [4, 8, 12], "padding": "same", "kernel_size": 2},
    {"architecture": "lenet5"},
    {"architecture": "lenet5", "padding": "same", "batch_normalization": True},
    {"architecture": "mlp"},
    {"architecture": "mlp", "dense_units": 7, "batch_normalization": True, "dropout": 0.5},
]


@pytest.mark.parametrize("fields", NETWORKS, ids=str)
def test_it_is_the_number_of_trainable_weights(fields):
    from fmnist_model.network.build import build_network

    config = ModelConfig(**fields)
    weights = build_network(config).trainable_variables
    assert parameters(config) == sum(
        int(variable.value.shape.num_elements()) for variable in weights
    )
