"""Flips and shifts move images as they say, and differ by seed."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from fmnist_model.tensorflow_engine.augmentation import augment

PIXELS = np.random.default_rng(0).integers(1, 256, (60, 28, 28)).astype(np.uint8)


def augmented(flip: bool, shift: int, seed: int = 3) -> np.ndarray:
    moved = augment(PIXELS, tf.constant([seed, 1]), tf.constant(flip), tf.constant(float(shift)))
    return moved.numpy()


def moved_by_hand(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """Shifted with background, 0, coming in."""
    canvas = np.pad(image, 28)
    return canvas[28 - down : 56 - down, 28 - right : 56 - right]


def test_without_either_nothing_moves():
    assert np.array_equal(augmented(False, 0), PIXELS)


def test_half_of_the_images_are_mirrored_left_for_right():
    mirrored = PIXELS[:, :, ::-1]
    flipped = np.array(
        [np.array_equal(a, b) for a, b in zip(augmented(True, 0), mirrored, strict=True)]
    )
    kept = np.array([np.array_equal(a, b) for a, b in zip(augmented(True, 0), PIXELS, strict=True)])
    assert np.all(flipped ^ kept)
    assert 10 < flipped.sum() < 50


def test_each_image_is_shifted_by_at_most_so_many_pixels():
    ways = [(down, right) for down in range(-2, 3) for right in range(-2, 3)]
    found = set()
    for image, moved in zip(PIXELS, augmented(False, 2), strict=True):
        mine = [way for way in ways if np.array_equal(moved_by_hand(image, *way), moved)]
        assert len(mine) == 1
        found.add(mine[0])
    assert {down for down, _ in found} == {right for _, right in found} == {-2, -1, 0, 1, 2}


def test_both_together():
    images = np.concatenate([PIXELS, PIXELS[:, :, ::-1]])
    ways = [(down, right) for down in range(-1, 2) for right in range(-1, 2)]
    possible = {moved_by_hand(image, *way).tobytes() for image in images for way in ways}
    assert all(moved.tobytes() in possible for moved in augmented(True, 1))


def test_the_seed_decides():
    assert np.array_equal(augmented(True, 2), augmented(True, 2))
    assert not np.array_equal(augmented(True, 2), augmented(True, 2, seed=4))
