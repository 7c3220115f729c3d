"""The loss of every network, as Keras computes it, and the probabilities that belong to it."""

from __future__ import annotations

from typing import Any

from keras import ops

from fmnist_model.config import CLASSES, PROBABILITY_CLIP

Tensor = Any  # Keras has no types


def cross_entropy(output_activation: str, logits: Tensor, labels: Tensor) -> Tensor:
    """Keras's sparse categorical cross-entropy of each image, float32, shape (n,).

    `logits` are the pre-activations of the output layer, shape (n, 10), and `labels` whole numbers,
    shape (n,). The loss is written out here because Keras's own depends on where the outputs came
    from. A softmax or sigmoid output it replaces by its logits, which then go through softmax, so
    that sigmoid trains exactly as softmax does. A ReLU output it clips to [PROBABILITY_CLIP,
    1 - PROBABILITY_CLIP], and the logarithm of that goes through softmax.
    """
    return cross_entropy_of(scores(output_activation, logits), labels)


def cross_entropy_of(scores: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each image, float32, shape (n,), from the `scores` of its classes."""
    picked = ops.one_hot(labels, CLASSES, dtype="float32")
    return -ops.sum(picked * ops.log_softmax(scores), axis=-1)


def probabilities(output_activation: str, logits: Tensor) -> Tensor:
    """The probabilities, shape (n, 10), of which `cross_entropy` takes the logarithm."""
    return ops.softmax(scores(output_activation, logits))


def scores(output_activation: str, logits: Tensor) -> Tensor:
    """What goes through softmax in `cross_entropy` and `probabilities`, float32, shape (n, 10)."""
    logits = ops.cast(logits, "float32")
    if output_activation == "relu":
        return ops.log(ops.clip(ops.relu(logits), PROBABILITY_CLIP, 1 - PROBABILITY_CLIP))
    return logits
