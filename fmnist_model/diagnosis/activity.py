"""Counts active units on the device, for a chunk of images. Keras operations of any backend."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from fmnist_model.config import CLASSES, PROBABILITY_CLIP
from fmnist_model.diagnosis.tally import SATURATED_BEYOND, LayerCount, OutputCount

Tensor = Any  # Keras has no types


def count_layer(values: Tensor, activation: str) -> LayerCount:
    """Count on the pre-activations of a hidden layer, shape (n, ..., units)."""
    axes = tuple(range(len(values.shape) - 1))
    low, high = ops.min(values, axes), ops.max(values, axes)
    scale = ops.maximum(ops.abs(low), ops.abs(high))
    highest, pinned = high, ops.zeros(())
    if activation == "relu":  # it rises, so that its extremes are those of the pre-activations
        moving, low, high = high > 0, ops.relu(low), ops.relu(high)
    else:
        outputs, slope = _with_slope(activation, values)
        moving = ops.any(slope != 0, axes)
        low, high = ops.min(outputs, axes), ops.max(outputs, axes)
    if activation in SATURATED_BEYOND:
        beyond = ops.abs(values) > ops.cast(SATURATED_BEYOND[activation], values.dtype)
        pinned = ops.mean(_float(beyond))
    return LayerCount(moving, _float(low), _float(high), _float(highest), _float(scale), pinned)


def _with_slope(activation: str, values: Tensor) -> tuple[Tensor, Tensor]:
    """The activation's outputs, and its derivative at each pre-activation."""
    function = keras.activations.get(activation)
    if keras.config.backend() == "jax":
        import jax

        outputs, pull_back = jax.vjp(function, values)
        return outputs, pull_back(ops.ones_like(outputs))[0]
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(values)
        outputs = function(values)
    return outputs, tape.gradient(outputs, values)


def count_output(logits: Tensor, labels: Tensor) -> OutputCount:
    """Count on the pre-activations of the output layer, float32 (n, 10), and int labels (n,)."""
    above = logits > 1 - PROBABILITY_CLIP
    opened = (logits >= PROBABILITY_CLIP) & ~above
    saturated = ops.count_nonzero(above, axis=-1)
    histogram = ops.one_hot(saturated, CLASSES + 1, dtype="int32")
    return OutputCount(
        ops.count_nonzero(opened),
        ops.sum(histogram, axis=0),
        ops.count_nonzero(ops.take_along_axis(above, labels[:, None], axis=1)),
        ops.min(ops.where(above, logits - 1, -logits), axis=0),
        ops.max(ops.abs(logits), axis=0),
    )


def _float(values: Tensor) -> Tensor:
    return ops.cast(values, "float32")
