"""Mirrors and shifts images on the device, before an epoch. TensorFlow only."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from fmnist_model.config import IMAGE_SIDE

Tensor = Any  # TensorFlow has no types


def augment(pixels: Tensor, seed: Tensor, flip: Tensor, shift: Tensor) -> Tensor:
    """Mirror half of the images if `flip`, and shift each by up to `shift` pixels either way.

    Pixels, taken and returned, are uint8 (n, 28, 28), `seed` is int32 (2,), `flip` a boolean, and
    `shift` a float32 without a fraction. Pixels that come in at the sides are background, 0.
    """
    count = tf.shape(pixels)[0]
    draws = tf.random.stateless_uniform((3, count), seed)
    mirrored = (draws[0] < 0.5) & flip
    down, right = tf.unstack(tf.floor(draws[1:] * (2 * shift + 1)) - shift)
    side, zero, one = IMAGE_SIDE - 1.0, tf.zeros(count), tf.ones(count)
    # Where the pixel at (row, column) comes from: (column * a + b, row + c).
    across = tf.where(mirrored, -one, one)
    start = tf.where(mirrored, side + right, right)
    transforms = tf.stack([across, zero, start, zero, one, down, zero, zero], axis=1)
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels[..., tf.newaxis],
        transforms=transforms,
        output_shape=[IMAGE_SIDE, IMAGE_SIDE],
        fill_value=0.0,
        interpolation="NEAREST",
        fill_mode="CONSTANT",
    )
    return moved[..., 0]
