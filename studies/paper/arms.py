"""The paper's arms: what its comparison trains, in which order, and what the paper said of each."""

from __future__ import annotations

from collections.abc import Sequence

from fmnist_model.config import ModelConfig
from fmnist_model.utils import ProjectPaths
from search.execution import PairedComparison, PairedRun

COMPARISON_NAME = "paper-comparison"
"""The study's name."""
PAPER_RATE = 0.2
"""The rate that the paper settled on."""
PAPER_RATES = (0.2, 0.45, 0.3, 0.15, 0.25, 0.35, 0.4)
"""All of its rates, in the order in which they are tried: the ends and the middle first."""
SIGMOID, RELU, DROPOUT, SOFTMAX, MLP = (
    "sigmoid",
    "ReLU output",
    "ReLU output + dropout",
    "ReLU + softmax",
    "two dense layers",
)
ARMS = {
    SIGMOID: ModelConfig(activation="sigmoid"),
    RELU: ModelConfig(output_activation="relu"),
    DROPOUT: ModelConfig(output_activation="relu", dropout=0.25),
    SOFTMAX: ModelConfig(dropout=0.25),
    MLP: ModelConfig(architecture="mlp", activation="sigmoid"),
}
SWEPT = (SIGMOID, SOFTMAX)


def comparison(paths: ProjectPaths, limit: int | None = None) -> PairedComparison:
    """The paper's comparison, kept below `paths`; with `limit`, on so many training images."""
    return PairedComparison(COMPARISON_NAME, ARMS, paths, limit=limit)


def arm_runs(seeds: Sequence[int]) -> list[PairedRun]:
    """All arms at the paper's rate; the one first that takes seconds, for it gets stuck at once."""
    stages = ((RELU,), (SIGMOID, SOFTMAX, MLP), (DROPOUT,))
    return [PairedRun(arm, PAPER_RATE, seed) for arms in stages for seed in seeds for arm in arms]


def sweep_runs(seeds: Sequence[int]) -> list[PairedRun]:
    """Two arms at all other rates: a rate with all seeds, then the next rate.

    A comparison needs all ten seeds for a p that survives the correction, so that half of the
    rates with all seeds say more than all rates with half of the seeds.
    """
    rates = [rate for rate in PAPER_RATES if rate != PAPER_RATE]
    return [PairedRun(arm, rate, seed) for rate in rates for seed in seeds for arm in SWEPT]
