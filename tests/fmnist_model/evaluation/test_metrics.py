"""What is computed from predictions, on predictions that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fmnist_model.evaluation.metrics import calibration, confusion, ensembles, most_wrong

LABELS = np.array([0, 1, 2, 3])


def sure(classes: list[int], chance: float = 0.91) -> np.ndarray:
    """Probabilities, `chance` for these classes and the rest spread evenly."""
    spread = np.full((len(classes), 10), (1 - chance) / 9)
    spread[np.arange(len(classes)), classes] = chance
    return spread


def test_confusion_sums_over_the_seeds():
    counts = np.array(confusion(LABELS, np.array([[0, 1, 2, 0], [0, 1, 2, 3]])))
    assert counts[3, 0] == 1
    assert counts[3, 3] == 1
    assert counts.trace() == 7
    assert counts.sum() == 8


def test_a_majority_and_a_mean_may_differ():
    votes = [[0, 1, 2, 3], [0, 1, 2, 0], [0, 1, 2, 0]]
    chances = [0.99, 0.4, 0.4]
    probabilities = np.stack([sure(v, c) for v, c in zip(votes, chances, strict=True)])
    found = ensembles(LABELS, np.array(votes), probabilities)
    assert found["majority"]["accuracy"] == 0.75
    assert found["mean_probability"]["accuracy"] == 1.0
    own = np.mean(chances)
    last = np.mean([0.99, 0.6 / 9, 0.6 / 9])
    assert found["mean_probability"]["loss"] == pytest.approx(-np.log([own] * 3 + [last]).mean())


def test_a_tie_of_votes_goes_to_the_higher_probability():
    votes = [[0, 1, 2, 3], [0, 1, 2, 9]]
    probabilities = np.stack([sure(votes[0], 0.6), sure(votes[1], 0.9)])
    assert ensembles(LABELS, np.array(votes), probabilities)["majority"]["accuracy"] == 0.75


def test_one_seed_is_no_ensemble_and_a_diverged_one_does_not_count():
    probabilities = np.stack([sure([0, 1, 2, 3]), np.full((4, 10), np.nan)])
    predicted = np.array([[0, 1, 2, 3], [0, 0, 0, 0]])
    assert ensembles(LABELS, predicted, probabilities) is None
    assert calibration(LABELS, probabilities)["bins"][0]["images"] == 4
    assert calibration(LABELS, probabilities[1:]) is None


def test_the_calibration_error_is_the_gap_between_claim_and_truth():
    found = calibration(LABELS, np.stack([sure([0, 1, 9, 9], 0.9)]))
    assert found["expected_calibration_error"]["mean"] == pytest.approx(0.4)
    assert found["bins"] == [{"images": 4, "confidence": pytest.approx(0.9), "accuracy": 0.5}]
    certain = calibration(LABELS, np.stack([np.eye(10)[LABELS]]))
    assert certain["expected_calibration_error"]["mean"] == 0


def test_the_most_confidently_wrong_come_first():
    probabilities = sure([0, 9, 9, 9], 0.5)
    probabilities[3] = sure([9], 0.95)
    assert most_wrong(LABELS, probabilities[None], 2).tolist() == [3, 1]
