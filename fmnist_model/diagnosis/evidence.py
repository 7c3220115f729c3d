"""What a diagnosis is made from: when a run was checked, and what was measured. NumPy only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fmnist_model.diagnosis.census import Census

PINNED_SHARE = 0.9
"""The share of a layer's outputs that must be pinned (see `VitalSigns`) for it to count as
saturated."""


@dataclass(frozen=True)
class Moment:
    """When a run was checked: `step` within its `epoch`, both from 1, and the loss at that step."""

    epoch: int
    step: int
    loss: float


@dataclass(frozen=True)
class Evidence:
    """What is known of a run whose first gradient has been exactly zero for `zero_grad_steps`.

    `census` was taken without dropout, and `after_momentum` with the weights where momentum alone
    will carry them (None without momentum). `onset` is the first step without a gradient. In
    training, with dropout masks, `zero_grad_images` images in a row gave no gradient. No dropout
    precedes the layers `before_dropout` (None: there is none at all); `other_recovery_paths` names
    what else might revive any layer. A margin smaller than `rounding` is no proof. `entropy` is
    that of the training labels, in nats: the loss of a network that only knows how frequent each
    class is.
    """

    census: Census
    after_momentum: Census | None
    onset: Moment
    zero_grad_steps: int
    zero_grad_images: int
    before_dropout: frozenset[str] | None
    rounding: float
    entropy: float
    other_recovery_paths: tuple[str, ...] = ()

    def recovery_paths_of(self, layer: str, margin: float) -> list[str]:
        """What might revive this layer, dead with this margin; empty if its death is proved."""
        paths = []
        if self.before_dropout is not None and layer not in self.before_dropout:
            paths.append("another dropout mask")
        if self.after_momentum is not None:
            paths.append("momentum")
        if margin < self.rounding:
            paths.append("rounding")
        return [*paths, *self.other_recovery_paths]

    def to_dict(self) -> dict[str, Any]:
        """The evidence as plain values, ready for JSON, under the keys that studies have stored."""
        return {
            "quiet_steps": self.zero_grad_steps,
            "quiet_images": self.zero_grad_images,
            "observed_loss": self.onset.loss,
            "census": self.census.to_dict(),
            "coasted": self.after_momentum.to_dict() if self.after_momentum is not None else None,
        }


@dataclass(frozen=True)
class VitalSigns:
    """The hidden layers of a network on a sample of so many training `images`.

    `dead_fraction`: the share of a layer's units that are inactive on every image of the sample.
    `pinned`: of sigmoid and tanh layers, the share of outputs, over units and images, whose
    derivative is less than a hundredth of its greatest. `scale`: the greatest absolute
    pre-activation of each hidden layer and of the output layer.
    """

    images: int
    dead_fraction: Mapping[str, float]
    pinned: Mapping[str, float]
    scale: Mapping[str, float]

    def saturated_layer(self) -> str | None:
        """The first layer with at least PINNED_SHARE of its outputs pinned; None without one."""
        return next((name for name, share in self.pinned.items() if share >= PINNED_SHARE), None)

    def greatest_gain(self) -> tuple[str, float]:
        """The layer that magnifies its inputs most, and by how much; images have the scale 1."""
        below = [1.0, *self.scale.values()]
        gains = {
            name: scale / before if before > 0 else 0.0
            for (name, scale), before in zip(self.scale.items(), below, strict=False)
        }
        layer = max(gains, key=lambda name: gains[name])
        return layer, gains[layer]
