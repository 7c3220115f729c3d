"""Estimates by how much the next ten trials will improve the best value, to stop a search early.

If trials came in random order, the mean improvement by the last ten would follow from their values
alone (expected validation performance: Dodge et al., 2019), and the next ten could not be expected
to improve more, because the expected maximum rises ever more slowly. But samplers learn: the order
is not random, and early trials say little about what is proposed now. Therefore there are three
estimates: the mean over all orders of all trials, the same of the later half of the trials, and the
improvement that the last ten trials really brought. The greatest of them is the expected gain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from optuna.trial import FrozenTrial

from fmnist_model.utils import Remedy, UserError
from search.study import TrialRecord, is_finished, objective_value, ordinals

LOOK_AHEAD_TRIALS = 10
"""Look-ahead horizon, in trials."""
MIN_TRIALS = 4 * LOOK_AHEAD_TRIALS
"""The fewest finished trials from which a gain is estimated."""
STOPPED = "stopped"
"""The user attribute that says why a study was stopped; None after it has been continued."""


class ExpectedGain(NamedTuple):
    """Estimates of how much the next trials will improve the best validation accuracy.

    `trials` is the number of finished trials. `latest` is by how much the last `LOOK_AHEAD_TRIALS`
    of them improved the best value; `shuffled` is the mean of that over all orders of the trials,
    or over all orders of their later half if that is greater.
    """

    latest: float
    shuffled: float
    trials: int

    @property
    def expected(self) -> float:
        """The most by which the next `LOOK_AHEAD_TRIALS` trials are expected to improve the
        best."""
        return max(self.latest, self.shuffled)


def check_stop_when(below: float | None) -> float | None:
    """Return the least improvement that is worth continuing for, or None for a search that does not
    stop early; raise UserError unless it is between 0 and 1."""
    if below is None or 0 < below < 1:
        return below
    raise UserError(
        "it is an improvement of the validation accuracy, so a number between 0 and 1, such as "
        "0.001",
        Remedy.GIVE_FRACTION,
        below=below,
    )


def expected_gain(
    trials: Sequence[FrozenTrial], last: int, budget: int | None = None
) -> ExpectedGain | None:
    """The gain expected after the finished trials whose ordinals are at most `last`.

    With a `budget`, of a search in budgets, only its completed runs of so many epochs are taken.
    None if there are fewer than MIN_TRIALS of them. A trial that did not complete has no value and
    improves nothing; while no trial has completed, the best value counts as 0.
    """
    in_order = sorted((ordinal, n) for n, ordinal in ordinals(trials).items() if ordinal <= last)
    ended = [trials[number] for _, number in in_order if is_finished(trials[number])]
    if budget is not None:
        of_budget = (trial for trial in ended if TrialRecord.of(trial).budget == budget)
        ended = [trial for trial in of_budget if objective_value(trial) is not None]
    if len(ended) < MIN_TRIALS:
        return None
    values = [objective_value(trial) or 0.0 for trial in ended]
    latest = max(values) - max(values[:-LOOK_AHEAD_TRIALS])
    shuffled = max(_shuffled(values), _shuffled(values[len(values) // 2 :]))
    return ExpectedGain(latest, shuffled, len(ended))


def _shuffled(values: Sequence[float]) -> float:
    """By how much the last m = `LOOK_AHEAD_TRIALS` of n values exceed all before them, on average
    over all orders of the values.

    The k greatest values are all among the last m with probability C(n - k, m - k) / C(n, m). Each
    time that they are, the gap between the k-th and the (k + 1)-th greatest value is gained.
    """
    best = sorted(values, reverse=True)
    orders = [
        math.comb(len(values) - k, LOOK_AHEAD_TRIALS - k) for k in range(1, LOOK_AHEAD_TRIALS + 1)
    ]
    gaps = [greater - less for greater, less in pairwise(best[: LOOK_AHEAD_TRIALS + 1])]
    gained = sum(ways * gap for ways, gap in zip(orders, gaps, strict=True))
    return gained / math.comb(len(values), LOOK_AHEAD_TRIALS)


def stop_sentence(known: dict[str, Any]) -> str:
    """Why a study was stopped early, in one sentence; `known` is its user attribute STOPPED."""
    gain = ExpectedGain(known["latest"], known["shuffled"], known["trials"])
    return (
        f"the next {LOOK_AHEAD_TRIALS} trials are expected to improve the best validation "
        f"accuracy by at most "
        f"{gain.expected:.4f}, less than {known['below']:g}: of {gain.trials} finished trials the "
        f"last {LOOK_AHEAD_TRIALS} improved it by {gain.latest:.4f}, and in random order they "
        f"would have by "
        f"{gain.shuffled:.4f} on average"
    )
