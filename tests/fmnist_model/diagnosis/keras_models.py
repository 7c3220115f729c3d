"""Small Keras models that are dead or alive, and data to fit them to."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from fmnist_model.diagnosis.keras_callback import StuckRunCallback

RNG = np.random.default_rng(5)
TABLE = RNG.normal(size=(320, 12)).astype("float32")
TARGET = (TABLE @ RNG.normal(size=12)).astype("float32")
IMAGES = RNG.normal(size=(96, 8, 8, 1)).astype("float32")
CLASSES = RNG.integers(0, 3, 96)
DEAD = keras.initializers.Constant(-1e3)
"""A bias that no input overcomes."""


def fit(model, x=TABLE, y=TARGET, loss="mse", optimizer=None, epochs=3, **options):
    model.compile(optimizer or keras.optimizers.SGD(0.01), loss)
    callback = StuckRunCallback(x, y, **options)
    history = model.fit(x, y, epochs=epochs, verbose=0, callbacks=[callback])
    return callback.diagnosis, history.history


def mlp(output="linear", units=1, bias="zeros", below=(), between=()):
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((12,)),
            *below,
            layers.Dense(16, activation="relu", name="first", bias_initializer=bias),
            *between,
            layers.Dense(16, activation="relu", name="second"),
            layers.Dense(units, activation=output, name="head"),
        ]
    )


def residual(dead_branch="zeros", dead_end="zeros"):
    """A small residual CNN: a branch around one convolution, and a ReLU after the sum."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(4, 3, padding="same")(inputs)
    branch = layers.Conv2D(4, 3, padding="same", bias_initializer=dead_branch)(x)
    branch = layers.Activation("relu", name="branch")(branch)
    x = layers.Add()([x, branch])
    x = layers.Conv2D(4, 3, bias_initializer=dead_end)(x)
    x = layers.ReLU(name="end")(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.Flatten()(x)))
