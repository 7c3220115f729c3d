"""Estimates by how much the next trials will improve the best value, to stop a search early.

If trials came in random order, the mean improvement by the last ten would follow from their values
alone (expected validation performance: Dodge et al., 2019), and the next ten could not be expected
to improve more, because the expected maximum rises ever more slowly. But samplers learn: the order
is not random, and early trials say little about what is proposed now. Therefore there are three
estimates: the mean over all orders of all trials, the same of the later half of the trials, and the
improvement that the last ten trials really brought. The greatest of them is the expected gain.

In a search in budgets the trials that count are the first runs of configurations at the greatest
budget, of which there are few: the estimates are those of the next four of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from optuna.trial import FrozenTrial

from fmnist_model.utils import Remedy, UserError
from search.study import (
    TrialRecord,
    epochs_in_words,
    is_finished,
    objective_value,
    ordinals,
)

LOOK_AHEAD_TRIALS = 10
"""Look-ahead horizon, in trials."""
LOOK_AHEAD_RUNS = 4
"""Look-ahead horizon in a search in budgets, in runs of the greatest budget."""
MIN_HORIZONS = 4
"""A gain is estimated from at least so many times the trials of the look-ahead horizon."""
MIN_TRIALS, MIN_RUNS = MIN_HORIZONS * LOOK_AHEAD_TRIALS, MIN_HORIZONS * LOOK_AHEAD_RUNS
STOPPED = "stopped"
"""The user attribute that says why a study was stopped; None after it has been continued."""


class ExpectedGain(NamedTuple):
    """Estimates of how much the next trials will improve the best validation accuracy.

    `trials` is the number of finished trials. `latest` is by how much the last `ahead` of them
    improved the best value; `shuffled` is the mean of that over all orders of the trials, or over
    all orders of their later half if that is greater. With a `budget` all of this is about the
    configurations that completed a run of so many epochs.
    """

    latest: float
    shuffled: float
    trials: int
    ahead: int = LOOK_AHEAD_TRIALS
    budget: int | None = None

    @property
    def expected(self) -> float:
        """The most by which the next `ahead` trials are expected to improve the best."""
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

    With a `budget`, of a search in budgets, only the completed runs of so many epochs are taken
    that are the first of their configurations: further seeds are no further tries. None if there
    are fewer than MIN_TRIALS of them, or MIN_RUNS with a `budget`. A trial that did not complete
    has no value and improves nothing; while no trial has completed, the best value counts as 0.
    """
    in_order = sorted((ordinal, n) for n, ordinal in ordinals(trials).items() if ordinal <= last)
    ended = [trials[number] for _, number in in_order if is_finished(trials[number])]
    if budget is not None:
        ended = [trial for trial in ended if _is_first_of(trial, budget)]
    ahead = LOOK_AHEAD_TRIALS if budget is None else LOOK_AHEAD_RUNS
    if len(ended) < MIN_HORIZONS * ahead:
        return None
    values = [objective_value(trial) or 0.0 for trial in ended]
    latest = max(values) - max(values[:-ahead])
    shuffled = max(_shuffled(values, ahead), _shuffled(values[len(values) // 2 :], ahead))
    return ExpectedGain(latest, shuffled, len(ended), ahead, budget)


def _is_first_of(trial: FrozenTrial, budget: int) -> bool:
    """Did the trial complete a run of this budget, with its configuration's first seed?"""
    record = TrialRecord.of(trial)
    first = record.budget == budget and record.replicate == 0
    return first and objective_value(trial) is not None


def _shuffled(values: Sequence[float], ahead: int) -> float:
    """By how much the last m = `ahead` of n values exceed all before them, on average over all
    orders of the values.

    The k greatest values are all among the last m with probability C(n - k, m - k) / C(n, m). Each
    time that they are, the gap between the k-th and the (k + 1)-th greatest value is gained.
    """
    best = sorted(values, reverse=True)
    orders = [math.comb(len(values) - k, ahead - k) for k in range(1, ahead + 1)]
    gaps = [greater - less for greater, less in pairwise(best[: ahead + 1])]
    gained = sum(ways * gap for ways, gap in zip(orders, gaps, strict=True))
    return gained / math.comb(len(values), ahead)


def stop_sentence(known: dict[str, Any]) -> str:
    """Why a study was stopped early, in one sentence; `known` is its user attribute STOPPED."""
    gain = ExpectedGain(**{name: known[name] for name in ExpectedGain._fields if name in known})
    in_full = f"configurations with {epochs_in_words(gain.budget or 0)}"
    what, of = ("trials", "finished trials") if gain.budget is None else (in_full, in_full)
    return (
        f"the next {gain.ahead} {what} are expected to improve the best validation accuracy by at "
        f"most {gain.expected:.4f}, less than {known['below']:g}: of {gain.trials} {of} the last "
        f"{gain.ahead} improved it by {gain.latest:.4f}, and in random order they would have by "
        f"{gain.shuffled:.4f} on average"
    )
