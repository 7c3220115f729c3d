"""A small network written in NumPy, on which runs train as on any engine: for tests of them."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.diagnosis.frozen_losses import LOSS_CEILING, label_entropy
from fmnist_model.diagnosis.tally import LayerCount, OutputCount
from fmnist_model.training.checkpoint import NetworkState
from fmnist_model.training.inspection import InspectableNetwork, NamedWeight
from fmnist_model.training.protocol import TrainReply, TrainRequest
from fmnist_model.training.results import Origin
from fmnist_model.training.run import TrialRun

MODEL = ModelConfig(architecture="mlp", activation="relu", dense_units=(8,))
TRAIN = TrainConfig(batch_size=20, epochs=2, learning_rate=0.5, seed=3, precision="float32")
CPU = Origin("tensorflow", "float32", "CPU (any)")
DEAD = -1e3
"""A bias that no input overcomes."""


class NumpyNetwork(InspectableNetwork):
    """100 images of 12 pixels, a ReLU layer of 8 units and a softmax output."""

    config = MODEL
    layers = ["dense1", "output"]  # noqa: RUF012
    before_dropout = frozenset(layers)

    def __init__(self, bias: float = 0.0) -> None:
        random = np.random.default_rng(0)
        self.labels = np.arange(100) % 10
        self.pixels = (random.normal(size=(100, 12)) + np.eye(10, 12)[self.labels] * 3).astype("f4")
        self.kernel, self.bias = random.normal(size=(12, 8)).astype("f4"), np.full(8, bias, "f4")
        self.head = (0.3 * random.normal(size=(8, 10))).astype("f4")
        self.head_bias = np.zeros(10, "f4")
        self.bias_velocity = np.zeros(8, "f4")
        self.order = np.arange(100)
        self.censuses = 0

    @property
    def images(self) -> int:
        return 100

    def weights(self):
        values = [self.kernel, self.bias, self.head, self.head_bias]
        names = [(layer, name) for layer in self.layers for name in ("kernel", "bias")]
        return [NamedWeight(*name, value.copy()) for name, value in zip(names, values, strict=True)]

    def snapshot(self) -> NetworkState:
        values = [self.kernel, self.bias, self.head, self.head_bias]
        return NetworkState(values, [self.bias_velocity], np.zeros(2, "u4"))

    def restore(self, kept: NetworkState) -> None:
        self.kernel, self.bias, self.head, self.head_bias = kept.weights
        (self.bias_velocity,) = kept.velocity

    def census(self):
        self.censuses += 1
        return super().census()

    def counts(self):
        hidden, logits = self._forward(self.pixels)
        high, outputs = hidden.max(0), np.maximum(hidden, 0)
        yield (
            100,
            [
                LayerCount(
                    high > 0, outputs.min(0), outputs.max(0), high, np.abs(hidden).max(0), 0
                ),
                OutputCount(0, np.zeros(11), 0, np.zeros(10), np.abs(logits).max(0)),
            ],
        )

    def show(self, epoch: int, train: TrainConfig) -> None:
        self.order = np.random.default_rng([train.seed, epoch]).permutation(100)

    def pre_activations(self, batch: slice):
        return list(self._forward(self.pixels[self.order[batch]]))

    @contextmanager
    def after_momentum(self, rate: float):
        bias = self.bias
        self.bias = bias - np.float32(rate) * self.bias_velocity
        yield
        self.bias = bias

    def _forward(self, pixels):
        hidden = pixels @ self.kernel + self.bias
        return hidden, np.maximum(hidden, 0) @ self.head + self.head_bias

    def _softmax(self, logits):
        exponentials = np.exp(logits - logits.max(1, keepdims=True))
        return exponentials / exponentials.sum(1, keepdims=True)

    def _losses(self, logits, labels):
        return -np.log(self._softmax(logits)[np.arange(len(labels)), labels])

    def train(self, request: TrainRequest) -> TrainReply:
        step, zero, above = request.first, request.zero_grad_steps, request.steps_above_ceiling
        loss_sum, correct, loss = 0.0, 0, 0.0
        while step < len(request.rates) and np.isfinite(loss) and zero < request.patience:
            chosen = self.order[step * request.batch_size : (step + 1) * request.batch_size]
            labels, rate = self.labels[chosen], request.rates[step]
            hidden, logits = self._forward(self.pixels[chosen])
            losses = self._losses(logits, labels)
            slope = (self._softmax(logits) - np.eye(10)[labels]) / len(chosen)
            below = (slope @ self.head.T) * (hidden > 0)
            gradient = self.pixels[chosen].T @ below
            loss = float(losses.mean())
            if np.isfinite(loss):
                self.kernel = (self.kernel - rate * gradient).astype("f4")
                self.bias = (self.bias - rate * below.sum(0)).astype("f4")
                self.head = (self.head - rate * np.maximum(hidden, 0).T @ slope).astype("f4")
                self.head_bias = (self.head_bias - rate * slope.sum(0)).astype("f4")
            zero = 0 if np.any(gradient) else zero + 1
            above = above + 1 if loss > LOSS_CEILING else 0
            loss_sum, correct = (
                loss_sum + float(losses.sum()),
                correct + int((logits.argmax(1) == labels).sum()),
            )
            step += 1
        return TrainReply(step, zero, above, loss_sum, correct, loss)

    def score(self) -> tuple[float, float]:
        logits = self._forward(self.pixels)[1]
        losses = self._losses(logits, self.labels)
        return float(losses.mean()), float((logits.argmax(1) == self.labels).mean())


def run(
    network: NumpyNetwork,
    train: TrainConfig = TRAIN,
    model=MODEL,
    report=None,
    start=None,
    keep=False,
):
    """Train a run to its end, answering what it asks for; its result."""
    entropy = label_entropy(network.labels)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        trial = TrialRun(network, model, train, CPU, entropy, True, start)
        if start is not None:
            network.restore(start.network)
        generator = trial.train(report)
        request = next(generator)
        while True:
            asked = isinstance(request, TrainRequest)
            reply = network.train(request) if asked else network.score()
            try:
                request = generator.send(reply)
            except StopIteration as end:
                return trial.with_checkpoint(end.value, network.snapshot) if keep else end.value
