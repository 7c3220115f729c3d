"""Counting active units: on the device for a chunk of images, then summed up into a census."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from fmnist_model.config import CLASSES
from fmnist_model.diagnosis.census import Census, LayerCensus, OutputCensus
from fmnist_model.diagnosis.diagnose import VitalSigns
from fmnist_model.network.build import CLIP

SATURATED_BEYOND = {"sigmoid": 5.99, "tanh": 2.99}
"""Pre-activations beyond which the derivative is less than a hundredth of its greatest."""


class LayerCount(NamedTuple):
    """A hidden layer on one chunk, unit by unit, shape (u,), but for `pinned`, shape ().

    `moving`: has it a derivative other than zero on any image; `low`, `high`: its least and
    greatest output; `highest`: the greatest pre-activation; `scale`: the greatest of their
    absolute values; `pinned`: the share of outputs that are pinned.
    """

    moving: Any
    low: Any
    high: Any
    highest: Any
    scale: Any
    pinned: Any


class OutputCount(NamedTuple):
    """The output layer on one chunk, as if its activation were ReLU; see `OutputCensus`.

    `distance` and `scale` are of each unit: how near it came to the open interval, and its
    greatest absolute pre-activation.
    """

    open: Any
    saturated: Any
    label_saturated: Any
    distance: Any
    scale: Any


def count_layer(values: Any, activation: str) -> LayerCount:
    """Look at the pre-activations of a hidden layer, shape (n, ..., u)."""
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


def _with_slope(activation: str, values: Any) -> tuple[Any, Any]:
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


def count_output(logits: Any, labels: Any) -> OutputCount:
    """Look at the pre-activations of the output layer, float32 (n, 10), and int labels (n,)."""
    above = logits > 1 - CLIP
    opened = (logits >= CLIP) & ~above
    saturated = ops.count_nonzero(above, axis=-1)
    histogram = ops.one_hot(saturated, CLASSES + 1, dtype="int32")
    return OutputCount(
        ops.count_nonzero(opened),
        ops.sum(histogram, axis=0),
        ops.count_nonzero(ops.take_along_axis(above, labels[:, None], axis=1)),
        ops.min(ops.where(above, logits - 1, -logits), axis=0),
        ops.max(ops.abs(logits), axis=0),
    )


class ActivityTally:
    """Sums the counts of chunk after chunk, for hidden layers with these names and an output."""

    def __init__(self, names: Sequence[str], relu_output: bool) -> None:
        self._names, self._relu_output = names, relu_output
        self._images = 0
        self._layers: list[LayerCount] = []
        self._output: OutputCount | None = None

    def add(self, images: int, counts: Sequence[Any]) -> None:
        """Add a chunk: a LayerCount for each hidden layer, then an OutputCount."""
        *layers, output = [
            type(count)._make(np.asarray(figure) for figure in count) for count in counts
        ]
        if self._output is None:
            self._layers, self._output = layers, output
        else:
            share = images / (self._images + images)
            pairs = zip(self._layers, layers, strict=True)
            self._layers = [_merged(old, new, share) for old, new in pairs]
            self._output = OutputCount(
                self._output.open + output.open,
                self._output.saturated + output.saturated,
                self._output.label_saturated + output.label_saturated,
                np.minimum(self._output.distance, output.distance),
                np.maximum(self._output.scale, output.scale),
            )
        self._images += images

    def all_alive(self) -> bool:
        """Can nothing be dead any more?"""
        assert self._output is not None
        outputs = bool(self._output.open) or not self._relu_output
        return outputs and all(_active(layer).any() for layer in self._layers)

    def census(self, total: int) -> Census:
        """What was counted; complete if that was `total` images."""
        assert self._output is not None
        output = self._output
        return Census(
            self._images,
            self._images == total,
            {
                name: LayerCensus(
                    len(layer.moving),
                    int(_active(layer).sum()),
                    _margin(-layer.highest, layer.scale),
                )
                for name, layer in zip(self._names, self._layers, strict=True)
            },
            OutputCensus(
                int(output.open),
                tuple(int(count) for count in output.saturated),
                int(output.label_saturated),
                _margin(output.distance, output.scale),
            )
            if self._relu_output
            else None,
        )

    def vital_signs(self, pinned: bool) -> VitalSigns:
        """What was counted, as shares; `pinned` says whether the activation can be."""
        assert self._output is not None
        layers = list(zip(self._names, self._layers, strict=True))
        scale = {name: _greatest(layer.scale) for name, layer in layers}
        return VitalSigns(
            self._images,
            {name: round(1 - float(_active(layer).mean()), 4) for name, layer in layers},
            {name: round(float(layer.pinned), 4) for name, layer in layers} if pinned else {},
            scale | {"output": _greatest(self._output.scale)},
        )


def _float(figure: Any) -> Any:
    return ops.cast(figure, "float32")


def _active(layer: LayerCount) -> Any:
    return layer.moving | (layer.high > layer.low)


def _greatest(scale: Any) -> float:
    """The greatest, or the greatest float32 where it is beyond it: JSON has no infinity."""
    return float(np.nan_to_num(scale, nan=float(np.finfo(np.float32).max)).max())


def _margin(distance: Any, scale: Any) -> float:
    known = np.isfinite(scale) & (scale > 0)
    shares = np.divide(distance, scale, out=np.zeros_like(scale), where=known)
    return max(0.0, float(shares.min()))


def _merged(old: LayerCount, new: LayerCount, share: float) -> LayerCount:
    return LayerCount(
        old.moving | new.moving,
        np.minimum(old.low, new.low),
        np.maximum(old.high, new.high),
        np.maximum(old.highest, new.highest),
        np.maximum(old.scale, new.scale),
        old.pinned + share * (new.pinned - old.pinned),
    )
