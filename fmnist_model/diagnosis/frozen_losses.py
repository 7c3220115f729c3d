"""The losses of networks that ignore their images, in closed form. NumPy only.

Keras clips the outputs of a ReLU output layer to [PROBABILITY_CLIP, 1 - PROBABILITY_CLIP] and feeds
their logarithm to a softmax. Where k outputs are saturated and the rest zero, whatever the image,
the loss is

    loss(k, p) = (1 - p) * 16.1181 + ln k

where p is the share of images whose label is among the k. With no output saturated there are ten
equal outputs, and the loss is ln 10.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fmnist_model.config import CLASSES, PROBABILITY_CLIP

CLIPPED = -math.log(PROBABILITY_CLIP)
"""The loss of an image whose label's output is clipped from below: 16.1181."""
GUESSING = math.log(CLASSES)
"""The loss of ten equal outputs, and the entropy of ten equally frequent classes: 2.3026."""
LOSS_CEILING = CLIPPED + GUESSING
"""No clipped output has a greater loss: certain, and wrong about every image. 18.4207."""
SHARE_TOLERANCE = 0.02
"""How far p may be from k / 10: the classes of a random subset are not quite equally frequent."""


def frozen_loss(saturated: Sequence[int], label_saturated: int) -> float:
    """The loss of a dead ReLU output layer: mean ln k + (1 - p) * 16.1181.

    `saturated[k]`, for k from 0 to 10, is the number of images with k saturated outputs, and
    `label_saturated` the number of images of which the label's output is saturated.
    """
    counts = np.asarray(saturated, dtype=float)
    images = counts.sum()
    log_k = np.log([CLASSES, *range(1, CLASSES + 1)])
    unsaturated_labels = images - counts[0] - label_saturated
    return float((counts @ log_k + unsaturated_labels * CLIPPED) / images)


def label_entropy(labels: Any) -> float:
    """The entropy of the classes in `labels`, in nats: ln 10 where all ten are equally frequent."""
    shares = np.bincount(labels, minlength=CLASSES) / len(labels)
    return float(-np.sum(shares[shares > 0] * np.log(shares[shares > 0])))


@dataclass(frozen=True)
class Level:
    """A loss at which a dead ReLU output freezes.

    `k` outputs are saturated, and `share` is the p that gives the loss which was asked about.
    `loss` is that of k outputs where all classes are equally frequent, p = k / 10.
    """

    k: int
    share: float
    loss: float


def levels(loss: float) -> list[Level]:
    """The levels that a constant loss may be, the likeliest first; empty where it is none."""
    found = []
    for k in range(1, CLASSES + 1):
        share = 1 - (loss - math.log(k)) / CLIPPED
        if abs(share - k / CLASSES) <= SHARE_TOLERANCE:
            balanced = (1 - k / CLASSES) * CLIPPED + math.log(k)
            found.append(Level(k, share, balanced))
    return sorted(found, key=lambda level: abs(level.share - level.k / CLASSES))


def explain(loss: float) -> str:
    """What a loss that stays constant says about a classifier of ten classes, in a few lines.

    Args:
        loss: The mean cross-entropy, in nats, as Keras computes it.

    Returns:
        Lines of text for people: which states of the network give this loss.

    Example:
        >>> print(explain(9.6685))
        9.6685 = (1 - 0.5000) * 16.1181 + ln 5: a ReLU output of which 5 outputs are saturated \
and 5 zero for every image, and 50.00% of the labels are among the saturated (9.6685 were they \
exactly 5 in 10).
        Every gradient is exactly zero there: the run cannot learn any more.
    """
    if not math.isfinite(loss):
        return f"{loss}: the run has diverged; its weights or outputs are not finite."
    if loss > LOSS_CEILING:
        return (
            f"{loss:.4g}: exploded. Being certain and wrong about every image costs "
            f"{LOSS_CEILING:.4f} "
            "where outputs are clipped as Keras clips them; more than that takes a softmax whose "
            "logits have grown without bound. Try a smaller learning rate."
        )
    if abs(loss - GUESSING) <= 0.02 * GUESSING:
        return _guessing(loss)
    lines = [_level(loss, level) for level in levels(loss)]
    if lines:
        return "\n".join(
            [*lines, "Every gradient is exactly zero there: the run cannot learn any more."]
        )
    better = "less" if loss < GUESSING else "more"
    return (
        f"{loss:.4f} is no level at which a dead ReLU output freezes, for any number of saturated "
        f"outputs, and {better} than guessing ({GUESSING:.4f}): a run whose loss stays there is "
        "not explained by dead units alone."
    )


def _guessing(loss: float) -> str:
    return (
        f"{loss:.4f} is ln 10 = {GUESSING:.4f}, the loss of knowing no more than how frequent each "
        "class is. Four states give it: a ReLU output with all 10 units zero, or all 10 saturated "
        "(stuck for good); a hidden layer that is dead (stuck for good); or a network that has "
        "not begun to learn, as sigmoid networks do not for several epochs (slow, not stuck). "
        "The diagnosis of a trial tells which."
    )


def _level(loss: float, level: Level) -> str:
    formula = f"(1 - {level.share:.4f}) * {CLIPPED:.4f} + ln {level.k}"
    zero = CLASSES - level.k
    saturated = "1 output is" if level.k == 1 else f"{level.k} outputs are"
    return (
        f"{loss:.4f} = {formula}: a ReLU output of which {saturated} saturated and {zero} zero for "
        f"every image, and {level.share:.2%} of the labels are among the saturated "
        f"({level.loss:.4f} were they exactly {level.k} in 10)."
    )
