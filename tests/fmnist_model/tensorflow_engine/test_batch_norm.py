"""The fused kernel normalises as Keras's layer does, moving averages included."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from fmnist_model.tensorflow_engine.batch_norm import FusedBatchNormalization


@pytest.mark.parametrize("shape", [(64, 5), (16, 6, 6, 5)])
def test_it_is_keras_batch_normalisation(shape):
    x = np.random.default_rng(0).normal(2, 3, shape).astype("f4")
    fused = FusedBatchNormalization(momentum=0.9)
    plain = keras.layers.BatchNormalization(momentum=0.9)
    np.testing.assert_allclose(fused(x, training=True), plain(x, training=True), atol=1e-4)
    # The kernel hands the moving average the unbiased variance, Keras the biased one.
    unbiased = x[..., 0].size / (x[..., 0].size - 1)
    change = plain.moving_variance - 0.9
    np.testing.assert_allclose(fused.moving_mean, plain.moving_mean, rtol=1e-4)
    np.testing.assert_allclose(fused.moving_variance - 0.9, change * unbiased, rtol=1e-3)
