"""Training speed: the arithmetic is counted rightly, and contestants train the same network."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import training
from benchmarks.tools.flops import layer_flops, training_flops
from fmnist_model.config import ModelConfig


def counted(config):
    """The products' operations from the layers that Keras has built."""
    from fmnist_model.network.build import build_network, weighted_layers

    network = build_network(config)
    flops = []
    for name in weighted_layers(network):
        layer = network.get_layer(name)
        kernel = np.prod(layer.kernel.shape)
        flops.append(int(2 * kernel * np.prod(layer.output.shape[1:-1], dtype=int)))
    return flops


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(),
        ModelConfig(architecture="lenet5"),
        ModelConfig(architecture="mlp"),
        ModelConfig(filters=(8, 16, 32), padding="same", kernel_size=5),
    ],
    ids=lambda config: config.architecture,
)
def test_operations_are_those_of_the_built_layers(config):
    assert layer_flops(config) == counted(config)


def test_an_image_of_the_papers_network_costs_15_mflop():
    assert training_flops(ModelConfig()) == pytest.approx(15.4e6, rel=0.01)


def test_shares_and_ratios_are_of_one_round():
    rows = [
        {"network": "cnn", "batch": 1000, training.FIT: 100.0, training.OURS: 200.0},
        {"network": "cnn", "batch": 1000, training.FIT: 50.0, training.OURS: 150.0},
    ]
    flops = training_flops(training.network("cnn"))
    rows = [row | {training.PEAK: 400.0 * flops} for row in rows]
    assert training.ratios(rows, training.OURS, training.FIT) == [2, 3]
    assert training.shares(rows, training.OURS) == [0.5, 0.375]


@pytest.mark.parametrize("architecture", ["cnn", "lenet5"])
def test_pytorch_trains_the_same_network(architecture, few):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra bench)")
    from benchmarks.peers import torch as peer_torch
    from fmnist_model.network.build import build_network

    config = ModelConfig(architecture=architecture, dropout=0.25)
    ours = sorted(np.prod(v.shape) for v in build_network(config).trainable_variables)
    theirs = peer_torch.build(config)
    assert sorted(p.numel() for p in theirs.parameters()) == ours
    model, _ = peer_torch._trained(config)
    before = [p.detach().clone() for p in model.parameters()]
    peer_torch.epoch(few[0], config, "float32", 500)
    assert not any(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
