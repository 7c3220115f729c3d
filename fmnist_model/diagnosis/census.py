"""A census: one pass over the training images that counts what still passes a signal. NumPy only.

Taken on pre-activations. A unit is *active* if its activation has a derivative other than exactly
zero, or an output other than all the rest, on at least one image. A ReLU unit is inactive where no
pre-activation is above zero; a tanh unit in bfloat16 where all of them lie beyond about 3.5 on the
same side. A layer without one active unit hands on a constant and hands back no gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class LayerCensus:
    """The units of one hidden layer, and those of them that are active on any image.

    `margin` says how far the unit that came closest to opening stayed away from it, as a share of
    its own greatest pre-activation: what rounding would have to bridge. 0 where units are active,
    and for activations other than ReLU that saturate at a positive pre-activation.
    """

    units: int
    active: int
    margin: float


@dataclass(frozen=True)
class OutputCensus:
    """A ReLU output layer. A gradient flows through outputs inside the clip alone.

    `open` counts those over all images; `saturated[k]` counts images with k outputs above the
    clip, `label_saturated` the images whose own label is among these; `margin` is as a layer's.
    """

    open: int
    saturated: tuple[int, ...]
    label_saturated: int
    margin: float


@dataclass(frozen=True)
class Census:
    """The hidden layers in forward order, and the output layer where its activation is ReLU.

    A census that was cut short, as it is once it has ruled every fault out, is not `complete`.
    """

    images: int
    complete: bool
    layers: Mapping[str, LayerCensus]
    output: OutputCensus | None

    def dead_layers(self) -> list[str]:
        """Hidden layers without one active unit, in forward order."""
        return [name for name, layer in self.layers.items() if layer.active == 0]

    def output_is_dead(self) -> bool:
        """Is every output constant, zero or saturated, on every image?"""
        return self.complete and self.output is not None and self.output.open == 0

    def to_dict(self) -> dict[str, Any]:
        """The census as plain values, ready for JSON."""
        return asdict(self)
