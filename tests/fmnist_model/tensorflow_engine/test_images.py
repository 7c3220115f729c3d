"""Images on the device are those on the host, in chunks that lose none."""

from __future__ import annotations

import numpy as np

from fmnist_model.dataset.fashion_mnist import Images
from fmnist_model.tensorflow_engine.images import TensorImages, scaled
from fmnist_model.training.inspection import CHUNK


def images(count: int) -> Images:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (count, 28, 28)).astype(np.uint8)
    return Images(pixels, random.integers(0, 10, count).astype(np.uint8), "")


def test_chunks_hold_all_images_in_order():
    host = images(2 * CHUNK + 7)
    device = TensorImages.place(host)
    chunks = list(device.chunks())
    assert [len(chunk) for chunk in chunks] == [CHUNK, CHUNK, 7]
    np.testing.assert_array_equal(np.concatenate([chunk.pixels for chunk in chunks]), host.pixels)
    np.testing.assert_array_equal(np.concatenate([chunk.labels for chunk in chunks]), host.labels)


def test_few_images_are_one_chunk():
    device = TensorImages.place(images(CHUNK))
    assert next(device.chunks()) is device


def test_pixels_are_scaled_to_one():
    pixels = np.array([[[0, 51, 255]]], np.uint8)
    np.testing.assert_allclose(scaled(pixels)[0, 0, :, 0], [0, 0.2, 1], rtol=1e-6)
