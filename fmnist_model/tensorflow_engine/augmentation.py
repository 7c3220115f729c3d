"""Images mirrored and shifted on the device, before an epoch. TensorFlow only."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from fmnist_model.config import IMAGE_SIDE


def augment(pixels: Any, seed: Any, flip: Any, shift: Any) -> Any:
    """Mirror half of the images if `flip`, and shift each by up to `shift` pixels either way.

    Pixels are uint8 (n, 28, 28), `seed` int32 (2,), `flip` a truth value, `shift` a whole float32.
    What is shifted in is background, 0.
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
