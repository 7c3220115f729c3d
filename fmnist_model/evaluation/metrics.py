"""What is computed from predictions on the test set: scores, ensembles, calibration. No TensorFlow.

Probabilities have the shape (seeds, images, 10), predicted classes (seeds, images), labels
(images,). A seed whose run diverged has probabilities that are not finite; it is left out of
ensembles and calibration.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fmnist_model.config import CLASSES, PROBABILITY_CLIP
from fmnist_model.dataset import CLASS_NAMES

Floats = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.integer[Any]]

CONFIDENCE = 0.95
CALIBRATION_BINS = 15


def interval(values: Sequence[float], lowest: float = 0.0, highest: float = 1.0) -> dict[str, Any]:
    """Mean and 95 % interval of the mean by Student's t over seeds, cut off at both limits.

    One value has no interval, and values that are not finite have no mean either.
    """
    if not np.all(np.isfinite(values)):
        listed = [value if np.isfinite(value) else None for value in values]
        return {"mean": None, "low": None, "high": None, "values": listed}
    mean = float(np.mean(values))
    if len(values) < 2:
        return {"mean": mean, "low": None, "high": None, "values": list(values)}
    from scipy import stats

    error = float(stats.sem(values))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * error
    return {
        "mean": mean,
        "low": max(lowest, mean - half),
        "high": min(highest, mean + half),
        "values": list(values),
    }


def per_class(labels: Integers, predicted: Integers) -> dict[str, dict[str, Any]]:
    """Precision, recall and F1 of each class, by its name, each as an interval over the seeds."""
    from sklearn.metrics import precision_recall_fscore_support

    scores = [
        precision_recall_fscore_support(labels, p, labels=range(CLASSES), zero_division=0)[:3]
        for p in predicted
    ]
    table = np.asarray(scores)  # seeds x (precision, recall, F1) x classes
    return {
        name: {
            score: interval(table[:, which, number].tolist())
            for which, score in enumerate(("precision", "recall", "f1"))
        }
        for number, name in enumerate(CLASS_NAMES)
    }


def confusion(labels: Integers, predicted: Integers) -> list[list[int]]:
    """Images by true class (rows) and predicted class (columns), summed over the seeds."""
    counts = np.zeros((CLASSES, CLASSES), int)
    for one in predicted:
        np.add.at(counts, (labels, one), 1)
    found: list[list[int]] = counts.tolist()
    return found


def ensembles(
    labels: Integers, predicted: Integers, probabilities: Floats
) -> dict[str, dict[str, float]] | None:
    """The seeds' networks as one: by majority, and by their mean probability.

    A majority's ties go to the class of the higher mean probability. None where there are not two
    finite seeds. These are other models than the one that is saved: `len(seeds)` times the work.
    """
    finite = _finite(probabilities)
    if finite.sum() < 2:
        return None
    mean = probabilities[finite].mean(axis=0)
    votes = np.eye(CLASSES)[predicted[finite]].sum(axis=0) + mean / 2  # a mean breaks ties only
    own = mean[np.arange(len(labels)), labels]
    return {
        "majority": {"accuracy": float((votes.argmax(axis=-1) == labels).mean())},
        "mean_probability": {
            "accuracy": float((mean.argmax(axis=-1) == labels).mean()),
            "loss": float(-np.log(np.maximum(own, PROBABILITY_CLIP)).mean()),
        },
    }


def calibration(labels: Integers, probabilities: Floats) -> dict[str, Any] | None:
    """Does a probability of 0.8 mean right four times in five? None where no seed is finite.

    `bins` are of equal width over the probability of the predicted class, pooled over the seeds:
    each has the images in it, their mean confidence and their accuracy. The expected calibration
    error is the mean gap between the two, weighted by images, as an interval over the seeds.
    """
    finite = _finite(probabilities)
    if not finite.any():
        return None
    kept = probabilities[finite]
    confidence, right = kept.max(axis=-1), kept.argmax(axis=-1) == labels
    errors = [_calibration_error(_bins(c, r)) for c, r in zip(confidence, right, strict=True)]
    return {
        "expected_calibration_error": interval(errors),
        "bins": _bins(confidence.ravel(), right.ravel()),
    }


def _bins(confidence: Floats, right: npt.NDArray[np.bool_]) -> list[dict[str, float]]:
    place = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    return [
        {
            "images": int((place == number).sum()),
            "confidence": float(confidence[place == number].mean()),
            "accuracy": float(right[place == number].mean()),
        }
        for number in np.unique(place)
    ]


def _calibration_error(bins: Sequence[dict[str, float]]) -> float:
    images = sum(b["images"] for b in bins)
    return sum(b["images"] * abs(b["confidence"] - b["accuracy"]) for b in bins) / images


def most_wrong(labels: Integers, probabilities: Floats, count: int) -> Integers:
    """Indices of the images that the seeds together are most sure and most wrong about."""
    finite = _finite(probabilities)
    if not finite.any():
        return np.zeros(0, int)
    mean = probabilities[finite].mean(axis=0)
    wrong = np.flatnonzero(mean.argmax(axis=-1) != labels)
    return wrong[np.argsort(-mean[wrong].max(axis=-1), kind="stable")][:count]


def _finite(probabilities: Floats) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isfinite(probabilities).all(axis=(1, 2)))
