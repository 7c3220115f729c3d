"""The claims: paired and corrected tests, which can also refute a claim."""

from __future__ import annotations

import pandas as pd
import pytest
from scipy import stats

from studies.paper.arms import DROPOUT, PAPER_RATE, PAPER_RATES, RELU, SIGMOID, SOFTMAX
from studies.paper.hypotheses import evaluate_hypotheses, sign_flip

SEEDS = 10
OTHERS = [rate for rate in PAPER_RATES if rate != PAPER_RATE]
LOSSES = [13.6, 11.1, 9.7, 8.2, 6.8, 5.3, 11.1, 8.2, 6.8, 9.7]


def runs(accuracy=None, rates=None, dropout_losses=None, seeds=SEEDS) -> pd.DataFrame:
    """A run for each arm and seed; `accuracy` and `rates` set the accuracies around which runs
    vary."""
    accuracy = {SOFTMAX: 0.85, SIGMOID: 0.70, RELU: 0.1, DROPOUT: 0.1} | (accuracy or {})
    losses = {RELU: LOSSES, DROPOUT: dropout_losses or LOSSES[::-1]}
    rows = [
        (arm, 0.2, seed, about + 0.001 * (seed % 3), losses.get(arm, [0.5] * SEEDS)[seed])
        for arm, about in accuracy.items()
        for seed in range(seeds)
    ]
    rows += [
        (arm, rate, seed, about + 0.001 * ((seed + 1) % 3), 0.5)
        for (arm, rate), about in (rates or {}).items()
        for seed in range(seeds)
    ]
    table = pd.DataFrame(rows, columns=["arm", "learning_rate", "seed", "val_accuracy", "val_loss"])
    return table.assign(test_accuracy=float("nan"), test_loss=float("nan"))


def verdicts(**settings) -> list[str]:
    return [claim.verdict for claim in evaluate_hypotheses(runs(**settings))]


def test_what_is_clear_is_decided():
    better = {(SIGMOID, 0.3): 0.75, (SOFTMAX, 0.3): 0.85}
    assert verdicts(rates=better) == ["holds", "holds", "does not hold", "does not hold"]
    worse = {(arm, rate): 0.60 for arm in (SIGMOID, SOFTMAX) for rate in OTHERS}
    assert verdicts(rates=worse)[3] == "holds"
    assert verdicts(rates=worse | {(SOFTMAX, 0.3): 0.85})[3] == "not decided"


def test_that_no_rate_is_better_needs_all_of_them():
    some = {(arm, rate): 0.60 for arm in (SIGMOID, SOFTMAX) for rate in OTHERS[:-1]}
    claim = evaluate_hypotheses(runs(rates=some))[3]
    assert claim.verdict == "not run yet"
    assert claim.because.startswith("2 of 12 comparisons lack the 6 seeds that a test needs")


def test_a_verdict_comes_with_its_figures():
    claims = evaluate_hypotheses(runs(rates={(SIGMOID, rate): 0.75 for rate in (0.3, 0.45)}))
    assert claims[0].because.startswith(
        "better than each of the others, by +0.1500 (+0.1500 to +0.1500), p = 0.0"
    )
    assert claims[0].because.endswith("over sigmoid")
    assert "which is above half by +" in claims[2].because
    assert claims[3].because.startswith("sigmoid did better at 0.3, 0.45 (at 0.2 less at 0.")


def test_a_better_arm_refutes_and_an_equal_one_leaves_it_open():
    assert verdicts(accuracy={SIGMOID: 0.9})[0] == "does not hold"
    assert verdicts(accuracy={SIGMOID: 0.85})[:2] == ["not decided", "not decided"]


def test_half_the_loss_on_every_seed_would_hold():
    assert verdicts(dropout_losses=[loss / 2 for loss in LOSSES])[2] == "holds"


def test_few_seeds_decide_nothing():
    assert set(verdicts(seeds=5)) == {"not run yet"}


def test_the_test_set_is_used_where_it_has_been_opened():
    table = runs()
    table["test_accuracy"], table["test_loss"] = table["val_accuracy"] - 0.01, table["val_loss"]
    assert evaluate_hypotheses(table)[0].comparisons[0].measure == "test_accuracy"


def test_p_is_exact_and_corrected_by_holm():
    differences = [0.01, 0.02, 0.03, -0.005, 0.01, 0.02]
    expected = stats.permutation_test(
        (differences,), lambda x, axis: x.mean(axis), permutation_type="samples", n_resamples=10**6
    ).pvalue
    assert sign_flip(differences) == pytest.approx(expected)
    assert sign_flip([0.1] * 10) == pytest.approx(2 / 2**10)
    comparisons = [c for claim in evaluate_hypotheses(runs()) for c in claim.comparisons]
    assert len([c for c in comparisons if c.p is not None]) == 7
    assert comparisons[0].p == pytest.approx(7 * 2 / 2**10)
