"""Images that live on the device. TensorFlow only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import tensorflow as tf

from fmnist_model.config import IMAGE_SIDE
from fmnist_model.dataset import Images
from fmnist_model.training import CHUNK

Tensor = Any  # TensorFlow has no types

IMAGES_SPEC = [
    tf.TensorSpec((None, IMAGE_SIDE, IMAGE_SIDE), tf.uint8),
    tf.TensorSpec((None,), tf.int32),
]
"""Pixels and labels of any number of images: a function that is traced for these once serves a
last, smaller chunk, too."""


class TensorImages(NamedTuple):
    """Images on the device: pixels uint8 (n, 28, 28), labels int32 (n,)."""

    pixels: Tensor
    labels: Tensor

    @classmethod
    def place(cls, images: Images) -> TensorImages:
        """Copy images to the device once."""
        return cls(
            tf.constant(images.pixels, dtype=tf.uint8), tf.constant(images.labels, dtype=tf.int32)
        )

    def __len__(self) -> int:
        return int(self.pixels.shape[0])

    def chunks(self) -> Iterator[TensorImages]:
        """The images in pieces of at most CHUNK."""
        if len(self) <= CHUNK:
            yield self
            return
        for start in range(0, len(self), CHUNK):
            yield TensorImages(
                self.pixels[start : start + CHUNK], self.labels[start : start + CHUNK]
            )


def scaled(pixels: Tensor) -> Tensor:
    """Pixels as a network takes them: float32 (n, 28, 28, 1) in 0-1."""
    return tf.cast(pixels, tf.float32)[..., tf.newaxis] / 255
