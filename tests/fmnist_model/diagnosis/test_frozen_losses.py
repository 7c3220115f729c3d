"""The closed form of a constant loss: against the paper, and against Keras's own loss."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest

from fmnist_model.diagnosis.frozen_losses import explain, frozen_loss, label_entropy, levels
from tests.fmnist_model.examples import assert_examples_run

PAPER = [(2, 13.5876), (3, 12.3813), (4, 11.0572), (5, 9.6685), (6, 8.2390), (7, 6.7813)]
PAPER += [(8, 5.3031), (9, 3.8090), (10, 2.3026)]


def counts(k: int, images: int) -> list[int]:
    saturated = [0] * 11
    saturated[k] = images
    return saturated


@pytest.mark.parametrize(("k", "loss"), PAPER)
def test_the_frozen_losses_of_the_paper(k, loss):
    assert frozen_loss(counts(k, 10_000), k * 1000) == pytest.approx(loss, abs=2e-4)


@pytest.mark.parametrize("k", range(11))
def test_every_level_is_keras_own_loss(k):
    """k outputs saturated by different amounts, the rest zero, labels of all classes."""
    rng = np.random.default_rng(k)
    labels = rng.integers(0, 10, 500)
    outputs = np.zeros((500, 10), np.float32)
    alive = rng.permutation(10)[:k]
    outputs[:, alive] = rng.uniform(1, 9, (500, k))
    theirs = keras.losses.SparseCategoricalCrossentropy()(labels, outputs)
    ours = frozen_loss(counts(k, 500), int(np.isin(labels, alive).sum()))
    assert ours == pytest.approx(float(theirs), rel=1e-5)


def test_images_with_different_numbers_of_saturated_outputs_are_keras_own_too():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 10, 1000)
    outputs = np.where(rng.random((1000, 10)) < 0.3, 2.0, 0.0).astype(np.float32)
    per_image = outputs.astype(bool).sum(axis=1)
    theirs = keras.losses.SparseCategoricalCrossentropy()(labels, outputs)
    label_saturated = int((outputs[np.arange(1000), labels] > 0).sum())
    ours = frozen_loss(np.bincount(per_image, minlength=11), label_saturated)
    assert ours == pytest.approx(float(theirs), rel=1e-5)


def test_the_entropy_of_labels():
    assert label_entropy(np.arange(10)) == pytest.approx(math.log(10))
    assert label_entropy(np.array([0, 0, 1, 1])) == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    ("loss", "k"), [(11.0572, 4), (11.0491, 4), (5.3031, 8), (5.3272, 8), (14.5063, 1)]
)
def test_the_papers_losses_are_found_again(loss, k):
    assert levels(loss)[0].k == k
    assert f"= (1 - {levels(loss)[0].share:.4f}) * 16.1181 + ln {k}" in explain(loss)


@pytest.mark.parametrize(
    ("loss", "says"),
    [
        (2.3026, "knowing no more than how frequent each class is"),
        (0.35, "0.3500 is no level at which a dead ReLU output freezes"),
        (3.0, "more than guessing"),
        (math.nan, "has diverged"),
        (math.inf, "has diverged"),
        (1e8, "1e+08: exploded"),
    ],
)
def test_what_other_losses_say(loss, says):
    assert says in explain(loss)


def test_the_examples_run():
    assert_examples_run("fmnist_model.diagnosis.frozen_losses")
