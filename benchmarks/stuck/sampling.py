"""The runs of the benchmark: their configurations, their data, and which of them are held out."""

from __future__ import annotations

import math
import random
from typing import Any, NamedTuple, get_args

from fmnist_model.config import Activation, ModelConfig, TrainConfig

IMAGES, PAPER_IMAGES = 4000, 48_000
EPOCHS = 8
NETWORKS: dict[str, dict[str, Any]] = {
    "cnn": {"architecture": "cnn", "filters": (8, 16), "dense_units": (64,)},
    "lenet5": {"architecture": "lenet5"},
    "mlp": {"architecture": "mlp"},
    "deep_cnn": {
        "architecture": "cnn",
        "filters": (8, 16, 16, 16),
        "dense_units": (64,),
        "padding": "same",
    },
    "deep_mlp": {"architecture": "mlp", "dense_units": (64, 64, 64, 64)},
}
OTHERS = tuple(name for name in get_args(Activation) if name != "relu")
RELU_SHARE, RELU_OUTPUT_SHARE, MOMENTUM_SHARE, NO_DROPOUT_SHARE = 0.35, 0.35, 0.3, 0.4
ROUGH = 300
"""Of this many first configurations more than half die. The others mostly learn: their output is
softmax, their momentum 0, and their batches are smaller."""
BATCHES = (32, 100, 250, 1000)
LOWEST_RATE, HIGHEST_RATE, BANDS = 0.05, 2.0, 4

SEEN_NETWORKS = {"cnn", "mlp"}
SEEN_ACTIVATIONS = {"relu", "tanh", "elu", "gelu", "sigmoid"}
SEEN_BANDS = {0, 2}
"""Thresholds were chosen on runs that are seen in all three respects, and judged on the rest."""


class Run(NamedTuple):
    """One run of the benchmark; it trains on `images` images."""

    key: str
    network: str
    model: ModelConfig
    train: TrainConfig
    images: int


def sampled(count: int) -> list[Run]:
    """Random configurations, each seeded by its own number, so that a longer list begins with a
    shorter."""
    return [_sampled(number) for number in range(count)]


def _sampled(number: int) -> Run:
    rng = random.Random(number)
    network = rng.choice(list(NETWORKS))
    activation = "relu" if rng.random() < RELU_SHARE else rng.choice(OTHERS)
    output = "relu" if rng.random() < RELU_OUTPUT_SHARE else "softmax"
    dropout = 0.0 if rng.random() < NO_DROPOUT_SHARE else round(rng.uniform(0, 0.6), 3)
    rate = math.exp(rng.uniform(math.log(LOWEST_RATE), math.log(HIGHEST_RATE)))
    batch = rng.choice(BATCHES)
    momentum = 0.9 if rng.random() < MOMENTUM_SHARE else 0.0
    if number >= ROUGH:
        output, momentum, batch = "softmax", 0.0, rng.choice(BATCHES[:-1])
    model = ModelConfig(
        activation=activation, output_activation=output, dropout=dropout, **NETWORKS[network]
    )
    train = TrainConfig(
        batch_size=batch,
        epochs=EPOCHS,
        learning_rate=round(rate, 4),
        momentum=momentum,
        seed=number,
        on_stuck="record",
        precision=rng.choice(["float32", "bfloat16"]),
    )
    return Run(f"sampled-{number}", network, model, train, IMAGES)


def paper(seeds: int) -> list[Run]:
    """The arms of the paper as it trained them, with 48,000 images and ten epochs."""
    arms = [
        ("relu", "relu", 0.0),
        ("relu", "relu", 0.25),
        ("relu", "softmax", 0.25),
        ("sigmoid", "softmax", 0.0),
    ]
    return [
        Run(
            f"paper-{activation}-{output}-{dropout}-{seed}",
            "paper",
            ModelConfig(activation=activation, output_activation=output, dropout=dropout),
            TrainConfig(learning_rate=0.2, seed=seed, on_stuck="record"),
            PAPER_IMAGES,
        )
        for seed in range(seeds)
        for activation, output, dropout in arms
    ]


def band(learning_rate: float) -> int:
    """The number of the learning rate's band, from 0; BANDS bands are equally wide on a log
    scale."""
    share = math.log(learning_rate / LOWEST_RATE) / math.log(HIGHEST_RATE / LOWEST_RATE)
    return min(BANDS - 1, max(0, int(share * BANDS)))


def seen(run: Run) -> bool:
    """Is this run among those on which thresholds were chosen?"""
    return (
        run.network in SEEN_NETWORKS
        and run.model.activation in SEEN_ACTIVATIONS
        and band(run.train.learning_rate) in SEEN_BANDS
    )
