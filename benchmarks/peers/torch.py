"""The networks of the paper in PyTorch, trained as fast as plain eager code can on a CPU."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from fmnist_model.config import CLASSES, IMAGE_SIDE, ModelConfig
from fmnist_model.dataset.fashion_mnist import Images


def build(config: ModelConfig) -> nn.Sequential:
    """The network of a configuration with ReLU, up to its logits."""
    layers: list[nn.Module] = []
    side, channels = IMAGE_SIDE, 1
    for index, filters in enumerate(config.filters):
        assert config.kernel_size is not None
        same = config.keeps_size(index)
        convolution = nn.Conv2d(
            channels, filters, config.kernel_size, padding="same" if same else "valid"
        )
        side = (side if same else side - config.kernel_size + 1) // 2
        if config.architecture == "lenet5":
            layers += [convolution, nn.ReLU(), nn.AvgPool2d(2)]
        else:  # the same outputs as the other way round, a quarter of the work
            layers += [convolution, nn.MaxPool2d(2), nn.ReLU()]
        channels = filters
    layers += [nn.Flatten(), nn.Dropout(config.dropout)]
    sizes = [side**2 * channels, *config.dense_units]
    for inputs, units in pairwise(sizes):
        layers += [nn.Linear(inputs, units), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], CLASSES))


@cache
def _trained(config: ModelConfig) -> tuple[nn.Sequential, torch.optim.SGD]:
    model = build(config).to(memory_format=torch.channels_last)
    return model, torch.optim.SGD(model.parameters(), lr=0.2)


_tensors: dict[str, tuple[Any, Any]] = {}


def epoch(images: Images, config: ModelConfig, precision: str, batch: int) -> None:
    """One epoch over all images in a new order."""
    model, optimizer = _trained(config)
    if images.sha256 not in _tensors:
        pixels = torch.from_numpy(images.pixels).unsqueeze(1).float() / 255
        _tensors[images.sha256] = pixels, torch.from_numpy(images.labels).long()
    pixels, labels = _tensors[images.sha256]
    mixed = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16")
    for chosen in torch.randperm(len(labels)).split(batch):
        optimizer.zero_grad(set_to_none=True)
        with mixed:
            logits = model(pixels[chosen].contiguous(memory_format=torch.channels_last))
        functional.cross_entropy(logits.float(), labels[chosen]).backward()
        optimizer.step()
