"""The arms of the paper's comparison, and the order in which their runs are trained."""

from __future__ import annotations

from collections.abc import Sequence

from fmnist_model.config import ModelConfig
from fmnist_model.utils import ProjectPaths
from search.execution import PairedComparison, PairedRun

COMPARISON_NAME = "paper-comparison"
"""The study's name."""
PAPER_RATE = 0.2
"""The learning rate that the paper chose."""
PAPER_RATES = (0.2, 0.45, 0.3, 0.15, 0.25, 0.35, 0.4)
"""All learning rates that the paper tried, in the order in which we train them: first its own, then
the greatest and the one in the middle."""
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
    """The paper's comparison, whose files are below `paths`.

    `limit`, if given, is the number of training images to use.
    """
    return PairedComparison(COMPARISON_NAME, ARMS, paths, limit=limit)


def arm_runs(seeds: Sequence[int]) -> list[PairedRun]:
    """The runs of all arms at the paper's rate.

    The arm with a ReLU output comes first: it takes only seconds, because it gets stuck at once.
    """
    stages = ((RELU,), (SIGMOID, SOFTMAX, MLP), (DROPOUT,))
    return [PairedRun(arm, PAPER_RATE, seed) for arms in stages for seed in seeds for arm in arms]


def sweep_runs(seeds: Sequence[int]) -> list[PairedRun]:
    """The runs of two arms at all other rates: all seeds of a rate, then those of the next rate.

    A comparison needs all ten seeds for a p-value that stays small after the correction. So if
    training ends early, half of the rates with all seeds say more than all rates with half of the
    seeds.
    """
    rates = [rate for rate in PAPER_RATES if rate != PAPER_RATE]
    return [PairedRun(arm, rate, seed) for rate in rates for seed in seeds for arm in SWEPT]
