"""When a search has little left to gain: what the next ten trials are expected to improve.

For trials in random order the mean gain of the last ten is known from their values alone (expected
validation performance: Dodge et al., 2019), and that of the next ten cannot be greater: the
expected maximum rises ever more slowly. But samplers learn, so that early trials say less of what
is proposed now, and the order is not random. Therefore the later half of the trials is looked at
by itself, too, and so is what the last ten really gained; the greatest of the three is expected.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from optuna.trial import FrozenTrial

from fmnist_model.utils import Remedy, UserError
from search.study import is_finished, objective_value, ordinals

LOOK_AHEAD_TRIALS = 10
"""Look-ahead horizon, in trials."""
MIN_TRIALS = 4 * LOOK_AHEAD_TRIALS
"""The fewest finished trials from which a gain is estimated."""
STOPPED = "stopped"
"""The user attribute that says why a study was stopped; None after it has been continued."""


class ExpectedGain(NamedTuple):
    """What is expected of the next trials, as validation accuracy.

    `latest` is what the last `LOOK_AHEAD_TRIALS` of `trials` finished ones improved the best by,
    `shuffled` the mean of that had they come in any order: all of them or, if that is more, their
    later half.
    """

    latest: float
    shuffled: float
    trials: int

    @property
    def expected(self) -> float:
        """By how much the next `LOOK_AHEAD_TRIALS` trials are expected to improve the best, at
        most."""
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


def expected_gain(trials: Sequence[FrozenTrial], last: int) -> ExpectedGain | None:
    """The gain expected after the finished trials of ordinals up to `last`; None while there are
    fewer than MIN_TRIALS.

    A trial that did not complete has no value, and improves nothing. While none has completed, the
    best value counts as 0.
    """
    in_order = sorted((ordinal, n) for n, ordinal in ordinals(trials).items() if ordinal <= last)
    ended = [trials[number] for _, number in in_order if is_finished(trials[number])]
    if len(ended) < MIN_TRIALS:
        return None
    values = [objective_value(trial) or 0.0 for trial in ended]
    latest = max(values) - max(values[:-LOOK_AHEAD_TRIALS])
    shuffled = max(_shuffled(values), _shuffled(values[len(values) // 2 :]))
    return ExpectedGain(latest, shuffled, len(ended))


def _shuffled(values: Sequence[float]) -> float:
    """The mean over all orders of what the last `LOOK_AHEAD_TRIALS` values add to the greatest
    before.

    The best k are all among the last with the probability C(n - k, NEXT - k) / C(n, NEXT), and each
    time that they are, the gap between the k-th and the next one is gained.
    """
    best = sorted(values, reverse=True)
    among = [
        math.comb(len(values) - k, LOOK_AHEAD_TRIALS - k) for k in range(1, LOOK_AHEAD_TRIALS + 1)
    ]
    gaps = [greater - less for greater, less in pairwise(best[: LOOK_AHEAD_TRIALS + 1])]
    gained = sum(ways * gap for ways, gap in zip(among, gaps, strict=True))
    return gained / math.comb(len(values), LOOK_AHEAD_TRIALS)


def stop_sentence(known: dict[str, Any]) -> str:
    """Why a study was stopped, as kept in its attribute, in one sentence."""
    said = ExpectedGain(known["latest"], known["shuffled"], known["trials"])
    return (
        f"the next {LOOK_AHEAD_TRIALS} trials are expected to improve the best validation "
        f"accuracy by at most "
        f"{said.expected:.4f}, less than {known['below']:g}: of {said.trials} finished trials the "
        f"last {LOOK_AHEAD_TRIALS} improved it by {said.latest:.4f}, and in random order they "
        f"would have by "
        f"{said.shuffled:.4f} on average"
    )
