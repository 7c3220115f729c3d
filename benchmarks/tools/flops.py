"""The arithmetic operations of a network, counted from its layers."""

from __future__ import annotations

from fmnist_model.config import CLASSES, IMAGE_SIDE, ModelConfig


def layer_flops(config: ModelConfig) -> list[int]:
    """Floating-point operations of each layer's product, forward, for one image.

    A multiplication and an addition are two. Biases, activations and pooling are left out: they
    are memory traffic rather than arithmetic.
    """
    flops, side, channels = [], IMAGE_SIDE, 1
    for index, filters in enumerate(config.filters):
        assert config.kernel_size is not None
        if not config.keeps_size(index):
            side -= config.kernel_size - 1
        flops.append(2 * side**2 * config.kernel_size**2 * channels * filters)
        side, channels = side // 2, filters
    inputs = side**2 * channels
    for units in (*config.dense_units, CLASSES):
        flops.append(2 * inputs * units)
        inputs = units
    return flops


def training_flops(config: ModelConfig) -> int:
    """Operations of one image, forward and backward.

    A layer's gradients by its weights and by its inputs are a product each; the gradient by the
    image itself is not computed.
    """
    forward = layer_flops(config)
    return 3 * sum(forward) - forward[0]
