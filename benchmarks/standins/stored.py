"""Real curves in place of training: those of the runs that benchmarks/stuck keeps."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

from benchmarks.standins.replay import Replay
from benchmarks.stuck.judging import Judged, load
from fmnist_model.config import ModelConfig, TrainConfig

STORED = Path(__file__).parent.parent / "stuck" / "runs.jsonl.gz"
EPOCHS = 8
PRESET = """
[train]
epochs = 8

[space]
architecture = ["cnn", "lenet5", "mlp"]
activation = ["relu", "sigmoid", "tanh", "elu", "selu", "gelu", "silu", "mish"]
dropout = { low = 0.0, high = 0.6 }
learning_rate = { low = 0.05, high = 2.0, log = true }
batch_size = [32, 100, 250]
"""
"""The space that most of these runs were drawn from, with a softmax output and no momentum."""


class Stored(Replay):
    """The curve of the most similar run: of the same architecture, output and activation where
    there is one, and of those the nearest by learning rate, batch size, dropout and momentum."""

    def curve(self, model: ModelConfig, train: TrainConfig) -> list[float]:
        nearest = min(_runs(), key=lambda stored: _distance(stored, model, train))
        curve = nearest.record["curves"]["val_accuracy"][: train.epochs]
        return [accuracy for accuracy in curve if accuracy is not None]


@cache
def _runs() -> list[Judged]:
    return [judged for judged in load(STORED) if judged.run.key.startswith("sampled")]


def _distance(stored: Judged, model: ModelConfig, train: TrainConfig) -> float:
    theirs, trained = stored.run.model, stored.run.train
    unlike = 10 * (theirs.architecture != model.architecture)
    unlike += 10 * (theirs.output_activation != model.output_activation)
    unlike += 5 * (theirs.activation != model.activation)
    rate = math.log(trained.learning_rate / train.learning_rate) / math.log(40)
    batch = math.log(trained.batch_size / train.batch_size) / math.log(32)
    dropout = (theirs.dropout - model.dropout) / 0.6
    momentum = trained.momentum - train.momentum
    return unlike + math.hypot(rate, batch, dropout, momentum)
