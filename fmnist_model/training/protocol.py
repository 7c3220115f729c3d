"""What a run asks of whoever holds its network, and the replies. NumPy only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class TrainRequest(NamedTuple):
    """Asks for training on the images shown from step `first` (0-based) to the epoch's end.

    `rates` are the learning rates of the epoch's steps, float32, shape (steps,). Training ends
    early at a loss that is not finite, with the weights that gave it, or once the first layer's
    gradient has been exactly zero for `patience` steps in a row: no signal reaches that layer then.
    `zero_grad_steps` and `steps_above_ceiling` are those of the reply before. Answered by a
    `TrainReply`.
    """

    rates: np.ndarray
    first: int
    batch_size: int
    zero_grad_steps: int
    steps_above_ceiling: int
    patience: int


class TrainReply(NamedTuple):
    """How far training came, and what was summed up over the steps that were asked for.

    `step` is the step reached. Up to it, the first layer's gradient was exactly zero in the last
    `zero_grad_steps` steps, and the loss was greater than that of any clipped output
    (`fmnist_model.diagnosis.frozen_losses.LOSS_CEILING`) in the last `steps_above_ceiling`.
    `loss_sum` and `correct` are summed up over images; `last_loss` is the mean of the last step.
    """

    step: int
    zero_grad_steps: int
    steps_above_ceiling: int
    loss_sum: float
    correct: int
    last_loss: float


class EvalRequest(NamedTuple):
    """Asks for mean loss and accuracy without dropout, on the validation images where there are
    any, else on the first CHUNK training images. Answered by an `EvalReply`."""


EvalReply = tuple[float, float]
"""Mean loss and accuracy."""

Request = TrainRequest | EvalRequest
Reply = TrainReply | EvalReply
