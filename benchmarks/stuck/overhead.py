"""The cost of monitoring for a healthy run: the same program with and without it, in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.dataset.fashion_mnist import Images
from fmnist_model.tensorflow_engine.images import TensorImages
from fmnist_model.tensorflow_engine.program import TrainingProgram
from fmnist_model.tensorflow_engine.training_loop import TrainingLoop
from fmnist_model.training.protocol import TrainRequest
from fmnist_model.utils.device import resolve_precision

MODEL = ModelConfig(activation="relu", dropout=0.25)
TRAIN = TrainConfig(learning_rate=0.2)
STEPS = 8


class UnmonitoredLoop(TrainingLoop):
    """The training loop that does not monitor gradients and losses."""

    def _counted(
        self, zero_grad_steps: Any, steps_above_ceiling: Any, _gradient: Any, _loss: Any
    ) -> tuple[Any, Any]:
        return zero_grad_steps, steps_above_ceiling


def unmonitored(precision: str, data: TensorImages) -> TrainingProgram:
    """A program with such a loop."""
    program = TrainingProgram(MODEL, precision, data)
    program.loop = UnmonitoredLoop(program.trainable, program.sgd)
    return program


def overhead(images: Images, rounds: int, on_round: Callable[[], None]) -> dict[str, Any]:
    """Median and quartiles of the time with monitoring over that without, a pair a round.

    A round is STEPS steps of the paper's network each, in an order that alternates. `signs` is the
    time of the vital signs at the end of a run, as a share of a run of ten epochs.
    """
    data = TensorImages.place(images)
    precision = resolve_precision("auto")
    programs = [TrainingProgram(MODEL, precision, data), unmonitored(precision, data)]
    for program in programs:
        program.reset(TRAIN, MODEL.dropout)
        _seconds(program, 2)
    programs[0].vital_signs()
    ratios, whole = [], []
    for number in range(rounds):
        pair = {id(p): _seconds(p, STEPS) for p in programs[:: 1 if number % 2 else -1]}
        monitored, plain = (pair[id(program)] for program in programs)
        ratios.append(monitored / plain)
        whole.append(monitored / STEPS * 10 * len(images) / TRAIN.batch_size)
        on_round()
    started = time.perf_counter()
    programs[0].vital_signs()
    signs = time.perf_counter() - started
    low, median, high = statistics.quantiles(ratios, n=4)
    return {
        "rounds": rounds,
        "ratio": median,
        "quartiles": [low, high],
        "signs": signs / statistics.median(whole),
        "precision": precision,
    }


def _seconds(program: TrainingProgram, steps: int) -> float:
    rates = np.full(steps, TRAIN.learning_rate)
    started = time.perf_counter()
    program.train(TrainRequest(rates, 0, TRAIN.batch_size, 0, 0, patience=10**6))
    return time.perf_counter() - started
