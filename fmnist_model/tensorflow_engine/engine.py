"""The TensorFlow engine: data on the device, one compiled program an epoch, reused across trials.

    engine = Engine(train, validation)
    result = engine.run(ModelConfig(activation="relu"), TrainConfig(learning_rate=0.2))

There is one program (`fmnist_model.tensorflow_engine.program`) for each network, kept for the next
trial.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.dataset.fashion_mnist import Images
from fmnist_model.diagnosis.frozen_loss import label_entropy
from fmnist_model.tensorflow_engine.program import TensorImages, TrainingProgram
from fmnist_model.training.protocol import Request, TrainRequest
from fmnist_model.training.results import Report, RunResult
from fmnist_model.training.run import Origin, TrialRun
from fmnist_model.utils.device import device_name, resolve_precision

ENGINE_NAME = "tensorflow"
MAX_PROGRAMS = 16
"""Programs kept; the least recently used goes first."""


class TensorFlowEngine:
    """Trains configurations one after the other on the same images."""

    def __init__(self, train: Images, validation: Images | None = None) -> None:
        self.device = device_name()
        self._entropy = label_entropy(train.labels)
        self._train = TensorImages.place(train)
        self._validation = TensorImages.place(validation) if validation is not None else None
        self._programs: OrderedDict[Any, TrainingProgram] = OrderedDict()
        self.last: TrainingProgram | None = None
        """The program of the last run, with its weights as they were then."""

    def program(self, config: ModelConfig, precision: str) -> TrainingProgram:
        """The program of this network, traced at the first call with any dropout rate."""
        key = (config.model_copy(update={"dropout": 0.0}), precision)
        if key not in self._programs:
            self._programs[key] = TrainingProgram(key[0], precision, self._train)
        self._programs.move_to_end(key)
        while len(self._programs) > MAX_PROGRAMS:
            self._programs.popitem(last=False)
        return self._programs[key]

    def run(
        self,
        model: ModelConfig,
        train: TrainConfig,
        report: Report | None = None,
        weights: Sequence[np.ndarray] | None = None,
    ) -> RunResult:
        """Train one configuration; `report` is called after each epoch and may end the run.

        With `weights`, as `weights()` returned them, it goes on from those.
        """
        precision = resolve_precision(train.precision)
        program = self.last = self.program(model, precision)
        program.reset(train, model.dropout)
        if weights is not None:
            for variable, value in zip(program.state, weights, strict=True):
                variable.assign(value)
        origin = Origin(ENGINE_NAME, precision, self.device)
        validated = self._validation is not None
        running = TrialRun(program, model, train, origin, self._entropy, validated).train(report)
        answer: Any = None
        while True:
            try:
                request = running.send(answer)
            except StopIteration as end:
                result: RunResult = end.value
                return result
            answer = self._answer(program, request)

    def _answer(self, program: TrainingProgram, request: Request) -> Any:
        if isinstance(request, TrainRequest):
            return program.train(*request)
        if self._validation is not None:
            return program.score(self._validation)
        return program.score(next(self._train.chunks()))

    def weights(self) -> list[np.ndarray]:
        """The weights after the last run, float32, in the order of `network.state_variables`."""
        if self.last is None:
            raise ValueError("no run has been made yet, so there are no weights")
        return [weights.value for weights in self.last.weights()]
