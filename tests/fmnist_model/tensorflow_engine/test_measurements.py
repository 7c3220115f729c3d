"""Scores, counts and gradients are the same whether images are measured in chunks or at once."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from fmnist_model.diagnosis.tally import ActivityTally
from fmnist_model.tensorflow_engine.images import TensorImages
from fmnist_model.tensorflow_engine.measurements import Measurements
from fmnist_model.tensorflow_engine.trainable_network import TrainableNetwork
from tests.fmnist_model.small_images import BASE, changed


@pytest.fixture(scope="module")
def network():
    config = changed(BASE, dropout=0.0, output_activation="relu")
    network = TrainableNetwork(config, "float32")
    network.initialise(tf.constant(3, tf.int64), tf.constant(0.0))
    return network


def test_the_score_is_a_mean_over_all_images(network, few):
    images = TensorImages.place(few[0])
    loss, accuracy = Measurements(network).score(images)
    logits = network.logits(images.pixels)
    assert loss == pytest.approx(float(np.mean(network.losses(logits, images.labels))), rel=1e-5)
    assert accuracy == int(network.count_correct(logits, images.labels)) / 2000


def test_counts_of_the_chunks_are_a_census_of_all(network, few):
    tally, images = ActivityTally(["conv1", "conv2", "dense1"], True), TensorImages.place(few[0])
    for count, counts in Measurements(network).counts(images):
        tally.add(count, counts)
    census = tally.census(2000)
    assert (census.images, census.complete) == (2000, True)
    dense = network.pre_activations(images.pixels)[2].numpy()
    assert census.layers["dense1"].active == (dense.max(0) > 0).sum()


def test_gradients_are_without_dropout(network, few):
    images = TensorImages(*(part[:50] for part in TensorImages.place(few[0])))
    ours = Measurements(network).gradients(images)
    theirs = network.backward(*images, training=False).gradients
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-6)
