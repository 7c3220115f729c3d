"""What slots hold."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from fmnist_model.jax_engine.state import Controls, JaxImages


def test_idle_controls_are_numbers_that_the_host_can_write_to():
    controls = Controls.idle(3)
    assert [str(numbers.dtype) for numbers in controls] == 7 * ["int32"] + 4 * ["float32"]
    np.testing.assert_array_equal(controls.step, controls.end)
    controls.end[1] = 5
    assert jax.jit(lambda c: c.end.sum())(controls) == 5


def test_images_are_bytes_and_whole_numbers_on_the_device(images):
    placed = JaxImages.place(images[0])
    assert (placed.pixels.shape, placed.pixels.dtype) == ((650, 28, 28), jnp.uint8)
    assert (placed.labels.shape, placed.labels.dtype) == ((650,), jnp.int32)
