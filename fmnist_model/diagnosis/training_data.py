"""The training data of a Keras model, gone through in batches as often as needed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

Samples = Any  # an array or tensor, or any structure of them that Keras takes; None for no targets
Batch = tuple[Samples, Samples]


class TrainingData:
    """Inputs `x` and targets `y` as `fit` gets them, or a finite dataset of batches as `x` alone.

    Raises ValueError for data that cannot be gone through again and again.
    """

    def __init__(self, x: Samples | tf.data.Dataset, y: Samples = None, batch_size: int = 32):
        self.is_dataset = isinstance(x, tf.data.Dataset)
        self._x, self._y, self._batch_size = x, y, batch_size
        self._check()

    def _check(self) -> None:
        if self.is_dataset:
            if self._x.cardinality() == tf.data.INFINITE_CARDINALITY:
                raise ValueError("the dataset has no end; take it before .repeat()")
        elif not all(hasattr(part, "shape") for part in keras.tree.flatten(self._x)):
            raise ValueError(
                f"x is {type(self._x).__name__}, which is neither arrays nor a tf.data.Dataset; "
                "give the training data as one of these"
            )

    @property
    def has_single_samples(self) -> bool:
        """Is there a batch of one sample? Not known of a dataset, for which it is False."""
        if self.is_dataset:
            return False
        return self._batch_size == 1 or count_samples(self._x) % self._batch_size == 1

    def first_batch(self) -> Iterator[Batch]:
        """The first batch alone; nothing where there is none."""
        return itertools.islice(self.batches(), 1)

    def batches(self) -> Iterator[Batch]:
        """All batches of inputs and targets, in order; targets are None where there are none."""
        if self.is_dataset:
            for batch in self._x:
                yield (*batch, None)[:2] if isinstance(batch, tuple) else (batch, None)
            return
        for start in range(0, count_samples(self._x), self._batch_size):
            part = slice(start, start + self._batch_size)
            yield _sliced(self._x, part), None if self._y is None else _sliced(self._y, part)


def count_samples(x: Samples) -> int:
    """How many samples there are in one batch, or in arrays."""
    return len(keras.tree.flatten(x)[0])


def _sliced(samples: Samples, part: slice) -> Samples:
    return keras.tree.map_structure(lambda array: array[part], samples)
