"""Tests the paper's four claims, with tests that are paired over seeds.

Each comparison is a two-sided sign-flip permutation test of the paired differences, exact for up to
ten seeds. The p-values of all comparisons of all claims together are corrected by Holm's method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from fmnist_model.evaluation import interval
from studies.paper import arms
from studies.paper.arms import DROPOUT, PAPER_RATE, RELU, SIGMOID, SOFTMAX, SWEPT

SIGNIFICANCE_LEVEL = 0.05
MIN_PAIRS = 6
"""The fewest pairs with which a sign-flip test can reach a p-value below 0.05."""

Verdict = Literal["holds", "does not hold", "not decided", "not run yet"]


@dataclass(frozen=True)
class PairedTest:
    """A comparison of what the claim says is better with what it says is worse.

    `differences` are `better` minus `worse` for each seed. `p` is the p-value, corrected for all
    comparisons, or None if there are too few pairs.
    """

    claim: int
    better: str
    worse: str
    measure: str
    differences: tuple[float, ...]
    p: float | None

    @property
    def direction(self) -> int:
        """1 if the data agree with the claim, -1 if they show the opposite, 0 if neither."""
        if self.p is None or self.p >= SIGNIFICANCE_LEVEL:
            return 0
        return 1 if np.mean(self.differences) > 0 else -1

    def text(self) -> tuple[str, str]:
        """The mean difference with its 95 % interval, and the p-value, as texts."""
        if len(self.differences) < 2:
            return "-", "-"
        score = interval(self.differences, lowest=-np.inf, highest=np.inf)
        mean, low, high = (score[key] for key in ("mean", "low", "high"))
        p = "-" if self.p is None else f"{self.p:.3f}" if self.p >= 0.001 else "< 0.001"
        return f"{mean:+.4f} ({low:+.4f} to {high:+.4f})", p

    @property
    def sentence(self) -> str:
        """The same as one text that can be part of a sentence."""
        difference, p = self.text()
        return f"{difference}, p {'=' if p[0].isdigit() else ''} {p}".replace("  ", " ")


@dataclass(frozen=True)
class Hypothesis:
    """One of the paper's claims, the verdict on it, and the reason for the verdict."""

    text: str
    verdict: Verdict
    because: str
    comparisons: tuple[PairedTest, ...]


def evaluate_hypotheses(runs: pd.DataFrame) -> list[Hypothesis]:
    """Test the four claims.

    `runs` has a row for each run, with the columns arm, learning_rate, seed, val_accuracy,
    val_loss, test_accuracy and test_loss; the last two are NaN as long as the test set has not been
    opened.
    """
    at_paper_rate = runs[np.isclose(runs["learning_rate"], PAPER_RATE)]
    tested = len(at_paper_rate) > 0 and bool(at_paper_rate["test_accuracy"].notna().all())
    part = "test" if tested else "val"
    measure, loss = f"{part}_accuracy", f"{part}_loss"
    best = [_compare(1, at_paper_rate, SOFTMAX, arm, measure) for arm in (SIGMOID, RELU, DROPOUT)]
    second = [_compare(2, at_paper_rate, SIGMOID, arm, measure) for arm in (RELU, DROPOUT)]
    halves = [
        _compare(3, at_paper_rate, RELU, DROPOUT, loss),
        _compare_with_half(at_paper_rate, loss),
    ]
    rates = [
        _compare_rates(runs, arm, rate)
        for arm in SWEPT
        for rate in sorted(set(arms.PAPER_RATES) - {PAPER_RATE})
    ]
    corrected = _holm([*best, *second, *halves, *rates])
    best, second, halves, rates = ([c for c in corrected if c.claim == n] for n in (1, 2, 3, 4))
    return [
        Hypothesis("ReLU + softmax is best", *_all(best), tuple(best)),
        Hypothesis("Sigmoid is second", *_second(best, second), tuple(second)),
        Hypothesis(
            "Dropout halves the loss",
            *_halved(at_paper_rate, halves[0], halves[1], loss),
            tuple(halves),
        ),
        Hypothesis("0.2 is the best learning rate", *_rate(rates), tuple(rates)),
    ]


def _pairs(first: pd.DataFrame, second: pd.DataFrame, measure: str) -> tuple[float, ...]:
    both = first.set_index("seed")[measure] - second.set_index("seed")[measure]
    return tuple(both.dropna().sort_index())


def _compare(claim: int, runs: pd.DataFrame, better: str, worse: str, measure: str) -> PairedTest:
    first, second = (runs[runs["arm"] == arm] for arm in (better, worse))
    return _tested(claim, better, worse, measure, _pairs(first, second, measure))


def _compare_rates(runs: pd.DataFrame, arm: str, rate: float) -> PairedTest:
    arm_runs = runs[runs["arm"] == arm]
    first, second = (arm_runs[np.isclose(arm_runs["learning_rate"], r)] for r in (PAPER_RATE, rate))
    names = (f"{arm} at {PAPER_RATE:g}", f"{arm} at {rate:g}")
    return _tested(4, *names, "val_accuracy", _pairs(first, second, "val_accuracy"))


def _compare_with_half(runs: pd.DataFrame, loss: str) -> PairedTest:
    """Is the loss with dropout above half of that without?"""
    without, with_dropout = (runs[runs["arm"] == arm] for arm in (RELU, DROPOUT))
    halved = without.assign(**{loss: without[loss] / 2})
    return _tested(3, DROPOUT, f"half of {RELU}", loss, _pairs(with_dropout, halved, loss))


def _tested(
    claim: int, better: str, worse: str, measure: str, differences: tuple[float, ...]
) -> PairedTest:
    p = sign_flip(differences) if len(differences) >= MIN_PAIRS else None
    return PairedTest(claim, better, worse, measure, differences, p)


def sign_flip(differences: Sequence[float]) -> float:
    """The two-sided p-value of the mean of paired differences, by a sign-flip permutation test."""
    from scipy import stats

    def mean(sample: Any, axis: int = -1) -> Any:
        return np.mean(sample, axis=axis)

    outcome = stats.permutation_test(
        (np.asarray(differences),),
        mean,
        permutation_type="samples",
        n_resamples=99_999,
        rng=np.random.default_rng(0),
    )
    return float(outcome.pvalue)


def _holm(comparisons: Sequence[PairedTest]) -> list[PairedTest]:
    """The comparisons with p-values corrected by Holm's method over all that have one."""
    known = sorted((c for c in comparisons if c.p is not None), key=lambda c: c.p or 0.0)
    corrected: dict[int, float] = {}
    so_far = 0.0
    for rank, comparison in enumerate(known):
        so_far = max(so_far, min(1.0, (comparison.p or 0.0) * (len(known) - rank)))
        corrected[id(comparison)] = so_far
    return [replace(c, p=corrected.get(id(c))) for c in comparisons]


def _all(comparisons: Sequence[PairedTest]) -> tuple[Verdict, str]:
    if any(c.p is None for c in comparisons):
        return "not run yet", _missing(comparisons)
    if all(c.direction == 1 for c in comparisons):
        nearest = min(comparisons, key=lambda c: float(np.mean(c.differences)))
        return (
            "holds",
            f"better than each of the others, by {nearest.sentence} over {nearest.worse}",
        )
    if opposite := [c for c in comparisons if c.direction == -1]:
        return "does not hold", _better(opposite)
    undecided = [f"{c.worse} ({c.sentence})" for c in comparisons if c.direction == 0]
    return "not decided", f"too little to tell from {' and '.join(undecided)}"


def _missing(comparisons: Sequence[PairedTest]) -> str:
    lacking = sum(c.p is None for c in comparisons)
    return (
        f"{lacking} of {len(comparisons)} comparisons lack the {MIN_PAIRS} seeds that a test needs"
    )


def _better(opposite: Sequence[PairedTest]) -> str:
    return "; ".join(f"{c.worse} did better ({c.sentence})" for c in opposite)


def _second(best: Sequence[PairedTest], second: Sequence[PairedTest]) -> tuple[Verdict, str]:
    """Sigmoid is second if it is worse than the best arm and better than all others."""
    verdict, because = _all([*second, *(c for c in best if c.worse == SIGMOID)])
    if verdict == "holds":
        nearest = min(second, key=lambda c: float(np.mean(c.differences)))
        return verdict, f"behind {SOFTMAX}, and by {nearest.sentence} over {nearest.worse}"
    return verdict, because


def _halved(
    runs: pd.DataFrame, less: PairedTest, above_half: PairedTest, loss: str
) -> tuple[Verdict, str]:
    if less.p is None or above_half.p is None:
        return "not run yet", _missing([less, above_half])
    without, with_dropout = (runs.loc[runs["arm"] == arm, loss].mean() for arm in (RELU, DROPOUT))
    ratio = (
        f"mean loss {without:.4f} without and {with_dropout:.4f} with dropout, "
        f"{with_dropout / without:.2f} times as much"
    )
    if above_half.direction == 1:
        return "does not hold", f"{ratio}, which is above half by {above_half.sentence}"
    if less.direction == 1:
        return "holds", ratio
    return "not decided", ratio


def _rate(rates: Sequence[PairedTest]) -> tuple[Verdict, str]:
    """One better rate refutes the claim; to confirm it, all rates have to be compared."""
    sentences = []
    for arm in SWEPT:
        if better := [
            c for c in rates if c.direction == -1 and c.better == f"{arm} at {PAPER_RATE:g}"
        ]:
            most = min(better, key=lambda c: float(np.mean(c.differences)))
            listed = ", ".join(c.worse.removeprefix(f"{arm} at ") for c in better)
            at = most.worse.removeprefix(f"{arm} ")
            sentences.append(
                f"{arm} did better at {listed} (at {PAPER_RATE:g} less {at}: {most.sentence})"
            )
    return ("does not hold", "; ".join(sentences)) if sentences else _all(rates)
