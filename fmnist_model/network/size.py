"""How large a network is, computed from its configuration. Does not import Keras."""

from __future__ import annotations

from fmnist_model.config import CLASSES, IMAGE_SIDE, ModelConfig


def parameters(config: ModelConfig) -> int:
    """The number of trainable weights of the network that `build_network` builds.

    >>> parameters(ModelConfig(architecture="mlp", dense_units=16))
    12730
    """
    per_unit = 2 if config.batch_normalization else 1  # scale and offset, or a bias
    side, channels, total = IMAGE_SIDE, 1, 0
    kernel = config.kernel_size or 0
    for index, filters in enumerate(config.filters):
        total += filters * (kernel**2 * channels + per_unit)
        side = (side if config.keeps_size(index) else side - kernel + 1) // 2
        channels = filters
    inputs = side**2 * channels
    for units in config.dense_units:
        total += units * (inputs + per_unit)
        inputs = units
    return total + CLASSES * (inputs + 1)
