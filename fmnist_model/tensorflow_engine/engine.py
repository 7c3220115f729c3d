"""The TensorFlow engine: data on the device, one compiled program an epoch, reused across trials.

There is one program (`fmnist_model.tensorflow_engine.program`) for each network, kept for the next
trial.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.dataset import Images
from fmnist_model.diagnosis import label_entropy
from fmnist_model.tensorflow_engine.images import TensorImages
from fmnist_model.tensorflow_engine.latency import measure_latency
from fmnist_model.tensorflow_engine.program import TrainingProgram
from fmnist_model.training import (
    Checkpoint,
    Latency,
    Origin,
    Reply,
    Report,
    Request,
    RunGenerator,
    RunResult,
    TrainRequest,
    TrialRun,
)
from fmnist_model.utils import device_name, resolve_precision

ENGINE_NAME = "tensorflow"
MAX_PROGRAMS = 16
"""Programs kept; the least recently used goes first."""


class TensorFlowEngine:
    """Trains configurations one after the other on the same images.

    Args:
        train: The training images, which are copied to the device.
        validation: Those on which each epoch is evaluated. Without them, a run has neither a
            validation loss and accuracy nor a value.

    Attributes:
        device: The device's name, for people.
        last: The program of the last run, with its weights as they were then; None before it.
        can_continue: That a run can be continued from a checkpoint.

    Example:
        Two epochs of a small network on 20 images of noise:

        >>> import numpy as np
        >>> from fmnist_model.dataset.fashion_mnist import Images
        >>> random = np.random.default_rng(0)
        >>> pixels = random.integers(0, 256, (20, 28, 28)).astype(np.uint8)
        >>> images = Images(pixels, np.arange(20, dtype=np.uint8) % 10, sha256="")
        >>> engine = TensorFlowEngine(images, validation=images)
        >>> model = ModelConfig(architecture="mlp", dense_units=(8,))
        >>> result = engine.run(model, TrainConfig(batch_size=10, epochs=2, learning_rate=0.1))
        >>> result.stop_reason, result.epochs_run, result.steps_run
        ('completed', 2, 4)
        >>> [weights.shape for weights in engine.weights()]
        [(784, 8), (8,), (8, 10), (10,)]
    """

    can_continue = True

    def __init__(self, train: Images, validation: Images | None = None) -> None:
        self.device = device_name()
        self._entropy = label_entropy(train.labels)
        self._train = TensorImages.place(train)
        self._validation = TensorImages.place(validation) if validation is not None else None
        self._programs: OrderedDict[tuple[ModelConfig, str], TrainingProgram] = OrderedDict()
        self.last: TrainingProgram | None = None

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
        *,
        start: Checkpoint | None = None,
        keep: bool = False,
    ) -> RunResult:
        """Train one configuration, or train it on.

        Args:
            model: The network.
            train: How it is trained.
            report: Called with the metrics after each epoch; True prunes the run there.
            weights: Where to begin, as `weights()` returned them; by default they are drawn from
                the configuration's seed.
            start: Where the run is continued; `weights` mean nothing then. Only the epochs after it
                are trained and reported.
            keep: Whether the result is to hold the run's checkpoint, if it has completed.

        Returns:
            How the run went, in all of its epochs. The weights that it ended with are those of
            `weights()`.

        Raises:
            CheckpointError: `start` is a checkpoint of another run, or has no fewer epochs, or the
                schedule is not "constant".
        """
        precision = resolve_precision(train.precision)
        program = self.last = self.program(model, precision)
        program.reset(train, model.dropout)
        if weights is not None:
            for variable, value in zip(program.state, weights, strict=True):
                variable.assign(value)
        origin = Origin(ENGINE_NAME, precision, self.device)
        validated = self._validation is not None
        run = TrialRun(program, model, train, origin, self._entropy, validated, start)
        if start is not None:
            program.restore(start.network)
        result = self._serve(run.train(report), program)
        return run.with_checkpoint(result, program.snapshot) if keep else result

    def _serve(self, run: RunGenerator, program: TrainingProgram) -> RunResult:
        request = next(run)
        while True:
            reply = self._answer(program, request)
            try:
                request = run.send(reply)
            except StopIteration as end:
                result: RunResult = end.value
                return result

    def _answer(self, program: TrainingProgram, request: Request) -> Reply:
        if isinstance(request, TrainRequest):
            return program.train(request)
        if self._validation is not None:
            return program.score(self._validation)
        return program.score(next(self._train.chunks()))

    def weights(self) -> list[np.ndarray]:
        """The weights after the last run, float32, in the order of
        `fmnist_model.network.build.state_variables`. Raises ValueError before the first run."""
        if self.last is None:
            raise ValueError("no run has been made yet, so there are no weights")
        return [weights.value for weights in self.last.weights()]

    def latency(self) -> Latency:
        """How long the network of the last run takes for an image, without dropout, as it computed
        in training. Raises ValueError before the first run."""
        if self.last is None:
            raise ValueError("no run has been made yet, so there is no network to measure")
        return measure_latency(self.last.trainable)
