"""The learning rate of every step. NumPy only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fmnist_model.config import TrainConfig

RISING_SHARE = 0.3
"""The share of all steps in which one_cycle's learning rate rises."""
START = 1 / 25
"""Where one_cycle begins, as a share of its greatest learning rate (PyTorch's default too)."""


def learning_rates(train: TrainConfig, steps: int) -> npt.NDArray[np.float32]:
    """The learning rates of all `steps` steps of a run, shape (steps,).

    "cosine" falls from the configured rate to nearly 0 along half a cosine; "one_cycle" first rises
    (Smith and Topin, https://arxiv.org/abs/1708.07120), momentum staying as it is.
    """
    done = np.arange(steps) / steps
    if train.schedule == "cosine":
        share = _falling(done)
    elif train.schedule == "one_cycle":
        rise = START + (1 - START) * (1 - _falling(done / RISING_SHARE))
        fall = _falling((done - RISING_SHARE) / (1 - RISING_SHARE))
        share = np.where(done < RISING_SHARE, rise, fall)
    else:
        share = np.ones(steps)
    return (train.learning_rate * share).astype(np.float32)


def _falling(share: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """From 1 at 0 to 0 at 1, along half a cosine."""
    return (1 + np.cos(np.pi * share)) / 2
