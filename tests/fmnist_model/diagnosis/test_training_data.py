"""Arrays and datasets are gone through in batches, again and again."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from fmnist_model.diagnosis.training_data import TrainingData, count_samples

X, Y = np.arange(20).reshape(10, 2), np.arange(10)


def test_arrays_are_cut_into_batches():
    data = TrainingData(X, Y, batch_size=4)
    for _ in range(2):
        assert [count_samples(x) for x, _ in data.batches()] == [4, 4, 2]
        np.testing.assert_array_equal(np.concatenate([y for _, y in data.batches()]), Y)
    assert [count_samples(x) for x, _ in data.first_batch()] == [4]


def test_structures_of_arrays_are_cut_alike():
    data = TrainingData({"a": X, "b": [Y]}, batch_size=8)
    assert [(x["a"].shape, x["b"][0].shape, y) for x, y in data.batches()] == [
        ((8, 2), (8,), None),
        ((2, 2), (2,), None),
    ]


def test_a_dataset_has_its_own_batches():
    pairs = tf.data.Dataset.from_tensor_slices((X, Y)).batch(6)
    assert [count_samples(x) for x, _ in TrainingData(pairs).batches()] == [6, 4]
    inputs = tf.data.Dataset.from_tensor_slices(X).batch(6)
    assert [y for _, y in TrainingData(inputs).batches()] == [None, None]


@pytest.mark.parametrize(("batch_size", "single"), [(1, True), (3, True), (4, False), (10, False)])
def test_batches_of_one_sample(batch_size, single):
    assert TrainingData(X, Y, batch_size).has_single_samples is single


def test_of_a_dataset_batches_of_one_sample_are_not_known():
    assert not TrainingData(tf.data.Dataset.from_tensor_slices(X).batch(1)).has_single_samples
