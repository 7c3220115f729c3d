"""Sums up the counts of many chunks of images, to a census or to vital signs. NumPy only.

What is counted on a chunk of images, on the device, is in `fmnist_model.diagnosis.activity`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from fmnist_model.diagnosis.census import Census, LayerCensus, OutputCensus
from fmnist_model.diagnosis.evidence import VitalSigns

SATURATED_BEYOND = {"sigmoid": 5.99, "tanh": 2.99}
"""Pre-activations beyond which the derivative is less than a hundredth of its greatest."""

Array = Any  # a tensor while it is on the device, a NumPy array once it is in an ActivityTally


class LayerCount(NamedTuple):
    """A hidden layer on one chunk of images: arrays of shape (units,), but for `pinned`, shape ().

    `moving`: has the unit a derivative other than zero on any image? `low`, `high`: its least and
    greatest output. `highest`: its greatest pre-activation. `scale`: the greatest of the absolute
    values of its pre-activations. `pinned`: the share of outputs, over units and images, whose
    pre-activation is beyond SATURATED_BEYOND. All but `moving`, which is boolean, are float32.
    """

    moving: Array
    low: Array
    high: Array
    highest: Array
    scale: Array
    pinned: Array


class OutputCount(NamedTuple):
    """The output layer on one chunk of images, as if its activation were ReLU.

    `open`, `saturated` and `label_saturated` are whole numbers as in `OutputCensus`. `distance` and
    `scale`, float32 of shape (10,), say how near each unit came to the open interval, and its
    greatest absolute pre-activation.
    """

    open: Array
    saturated: Array
    label_saturated: Array
    distance: Array
    scale: Array


Count = TypeVar("Count", LayerCount, OutputCount)


class ActivityTally:
    """Sums the counts of chunk after chunk, for hidden layers with these `names` and an output.

    `relu_output` says whether the output layer's activation is ReLU. At least one chunk has to be
    added before anything is asked.
    """

    def __init__(self, names: Sequence[str], relu_output: bool) -> None:
        self._names, self._relu_output = names, relu_output
        self._images = 0
        self._layers: list[LayerCount] = []
        self._output: OutputCount | None = None

    def add(self, images: int, counts: Sequence[LayerCount | OutputCount]) -> None:
        """Add a chunk of images: a LayerCount for each hidden layer, then an OutputCount."""
        layers = [_on_host(count) for count in counts if isinstance(count, LayerCount)]
        (output,) = [_on_host(count) for count in counts if isinstance(count, OutputCount)]
        if self._output is None:
            self._layers, self._output = layers, output
        else:
            share = images / (self._images + images)
            pairs = zip(self._layers, layers, strict=True)
            self._layers = [_merged(old, new, share) for old, new in pairs]
            self._output = _merged_output(self._output, output)
        self._images += images

    def all_alive(self) -> bool:
        """Is it certain by now that neither a hidden layer nor a ReLU output is dead?"""
        assert self._output is not None
        outputs = bool(self._output.open) or not self._relu_output
        return outputs and all(_active(layer).any() for layer in self._layers)

    def census(self, total: int) -> Census:
        """What was counted; complete if that was `total` images."""
        assert self._output is not None
        return Census(
            self._images,
            self._images == total,
            {
                name: _layer_census(layer)
                for name, layer in zip(self._names, self._layers, strict=True)
            },
            _output_census(self._output) if self._relu_output else None,
        )

    def vital_signs(self, pinned: bool) -> VitalSigns:
        """What was counted, as shares; `pinned` says whether the activation can be pinned."""
        assert self._output is not None
        layers = list(zip(self._names, self._layers, strict=True))
        scale = {name: _greatest(layer.scale) for name, layer in layers}
        return VitalSigns(
            self._images,
            {name: round(1 - float(_active(layer).mean()), 4) for name, layer in layers},
            {name: round(float(layer.pinned), 4) for name, layer in layers} if pinned else {},
            scale | {"output": _greatest(self._output.scale)},
        )


def _on_host(count: Count) -> Count:
    return type(count)._make(np.asarray(array) for array in count)


def _active(layer: LayerCount) -> np.ndarray:
    active: np.ndarray = layer.moving | (layer.high > layer.low)
    return active


def _layer_census(layer: LayerCount) -> LayerCensus:
    margin = _margin(-layer.highest, layer.scale)
    return LayerCensus(len(layer.moving), int(_active(layer).sum()), margin)


def _output_census(output: OutputCount) -> OutputCensus:
    return OutputCensus(
        int(output.open),
        tuple(int(count) for count in output.saturated),
        int(output.label_saturated),
        _margin(output.distance, output.scale),
    )


def _greatest(scale: np.ndarray) -> float:
    """The greatest, or the greatest float32 where it is beyond that: JSON has no infinity."""
    return float(np.nan_to_num(scale, nan=float(np.finfo(np.float32).max)).max())


def _margin(distance: np.ndarray, scale: np.ndarray) -> float:
    """The least distance, each as a share of its unit's scale; 0 where a scale is not finite."""
    known = np.isfinite(scale) & (scale > 0)
    shares = np.divide(distance, scale, out=np.zeros_like(scale), where=known)
    return max(0.0, float(shares.min()))


def _merged(old: LayerCount, new: LayerCount, share: float) -> LayerCount:
    """Both together, where `new` has this share of the images."""
    return LayerCount(
        old.moving | new.moving,
        np.minimum(old.low, new.low),
        np.maximum(old.high, new.high),
        np.maximum(old.highest, new.highest),
        np.maximum(old.scale, new.scale),
        old.pinned + share * (new.pinned - old.pinned),
    )


def _merged_output(old: OutputCount, new: OutputCount) -> OutputCount:
    return OutputCount(
        old.open + new.open,
        old.saturated + new.saturated,
        old.label_saturated + new.label_saturated,
        np.minimum(old.distance, new.distance),
        np.maximum(old.scale, new.scale),
    )
