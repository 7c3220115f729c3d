"""How good configurations are with another seed, judged from the seeds that they have had.

The model, in plain words:

- Two runs of a configuration differ by their seeds. The deviations are normal, with one variance
  for all configurations, estimated from all that have had several seeds. So that there is an
  estimate before any has, a weak prior is added: a scaled inverse chi-square distribution with
  `PRIOR_DEGREES` degrees of freedom and the scale `PRIOR_SD` (Gelman et al., Bayesian Data
  Analysis, 3rd ed., 2013, section 2.6).
- A seed that did not complete (stuck, diverged, pruned or failed) counts as chance. The share of
  such seeds has the posterior of a binomial proportion under Jeffreys' prior; it is 0 where none
  was seen.
- The best of many looks better than it is. Therefore the means of the `CONTENDERS` best are drawn
  towards each other, by the estimator of James and Stein in the form that Morris gave it for means
  of unequal precision (1983, https://doi.org/10.1080/01621459.1983.10477920): the more, the less
  they differ, compared with what seeds alone would explain, and the fewer seeds a mean rests on.
- Intervals and the probability of being the best come from `DRAWS` draws of all that is uncertain
  here, which are the same at every call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmnist_model.config import CLASSES

CHANCE = 1 / CLASSES
"""The accuracy that a seed which did not complete counts as."""
PRIOR_SD, PRIOR_DEGREES = 0.004, 2
"""The standard deviation between seeds, as it is before anything is known, and for how many degrees
of freedom that stands."""
CONTENDERS = 8
"""How many of the best by their raw means are drawn towards each other."""
DRAWS = 4_000
INTERVAL = (0.025, 0.975)
"""The quantiles that are given as the interval."""

Array = NDArray[np.float64]


class Seeds(NamedTuple):
    """The seeds by which a configuration is judged.

    The accuracies of those that completed, and the number of those that did not.
    """

    completed: Sequence[float]
    incomplete: int = 0

    @property
    def number(self) -> int:
        """How many there are."""
        return len(self.completed) + self.incomplete

    @property
    def raw_mean(self) -> float:
        """Their mean, where those that did not complete count as chance."""
        return (sum(self.completed) + self.incomplete * CHANCE) / self.number


class Posterior(NamedTuple):
    """What is known of the expected accuracy of each configuration, as arrays of shape (n,).

    `low` and `high` are the ends of the 95 % interval; `best` is the probability that no other has
    a higher expected accuracy.
    """

    mean: Array
    low: Array
    high: Array
    best: Array


class SeedVariance(NamedTuple):
    """The variance between the seeds of a configuration, and its degrees of freedom."""

    value: float
    degrees: int


def seed_variance(seeds: Sequence[Seeds]) -> SeedVariance:
    """The variance between seeds, pooled over all configurations, with the prior."""
    several = [np.asarray(one.completed) for one in seeds if len(one.completed) > 1]
    squares = sum(float(((values - values.mean()) ** 2).sum()) for values in several)
    degrees = PRIOR_DEGREES + sum(len(values) - 1 for values in several)
    return SeedVariance((PRIOR_DEGREES * PRIOR_SD**2 + squares) / degrees, degrees)


def posterior(seeds: Sequence[Seeds]) -> Posterior:
    """Judge configurations, each of which has had at least one seed."""
    variance = seed_variance(seeds)
    raw = np.array([one.raw_mean for one in seeds])
    sampling = np.array([variance.value / max(1, len(one.completed)) for one in seeds])
    whole = np.array([one.incomplete == 0 for one in seeds])
    ranked = np.argsort(-np.where(whole, raw, 0), kind="stable")[:CONTENDERS]
    shrinkage = _shrinkage(raw, sampling, ranked[whole[ranked]])
    draws = _draws(seeds, raw, sampling, shrinkage, variance.degrees)
    low, high = np.quantile(draws, INTERVAL, axis=0)
    wins = np.bincount(draws.argmax(axis=1), minlength=len(seeds))
    return Posterior(shrinkage.applied(raw), low, high, wins / DRAWS)


class _Shrinkage(NamedTuple):
    """Where means are drawn to, the variance of that centre, and how far each mean is drawn.

    A factor of 0 leaves a mean where it is, 1 would move it to the centre. `degrees` says what the
    variance between configurations rests on.
    """

    centre: float
    variance: float
    factors: Array
    degrees: int

    def applied(self, raw: Array) -> Array:
        """The means, drawn towards the centre."""
        return raw + self.factors * (self.centre - raw)

    def own_variance(self, raw: Array, sampling: Array) -> Array:
        """What is uncertain of each of these means beside the centre (Morris 1983, section 5).

        The second term is there because the variance between configurations is an estimate, too.
        """
        moved = self.factors * (self.centre - raw)
        return (1 - self.factors) * sampling + 2 / max(1, self.degrees) * moved**2


def _shrinkage(raw: Array, sampling: Array, contenders: NDArray[np.intp]) -> _Shrinkage:
    """How the means of the contenders, given by their indices, are to be drawn together.

    Up to three means stay where they are.
    """
    factors, degrees = np.zeros(len(raw)), len(contenders) - 3
    if degrees <= 0:
        return _Shrinkage(0.0, 0.0, factors, 0)
    means, variances = raw[contenders], sampling[contenders]
    precision = 1 / (variances + _variance_between(means, variances))
    centre = (means * precision).sum() / precision.sum()
    factors[contenders] = degrees / (len(means) - 1) * variances * precision
    return _Shrinkage(float(centre), float(1 / precision.sum()), factors, degrees)


def _variance_between(means: Array, variances: Array) -> float:
    """The variance of what the means estimate: theirs, less what their own variances explain.

    Precise means count for more, as in DerSimonian and Laird (1986,
    https://doi.org/10.1016/0197-2456(86)90046-2).
    """
    weights = 1 / variances
    middle = (weights * means).sum() / weights.sum()
    unexplained = (weights * (means - middle) ** 2).sum() - (len(means) - 1)
    return max(0.0, float(unexplained / (weights.sum() - (weights**2).sum() / weights.sum())))


def _draws(
    seeds: Sequence[Seeds], raw: Array, sampling: Array, shrinkage: _Shrinkage, degrees: int
) -> Array:
    """Draws of the expected accuracies, shape (DRAWS, n)."""
    random = np.random.default_rng(0)
    scale = np.sqrt(degrees / random.chisquare(degrees, (DRAWS, 1)))
    own = np.sqrt(shrinkage.own_variance(raw, sampling))
    deviation = random.normal(size=(DRAWS, len(seeds))) * own
    deviation += random.normal(size=(DRAWS, 1)) * shrinkage.factors * shrinkage.variance**0.5
    draws: Array = shrinkage.applied(raw) + scale * deviation
    for index, one in enumerate(seeds):
        if one.incomplete:
            draws[:, index] = _with_incomplete(scale[:, 0] * deviation[:, index], one, random)
    return draws


def _with_incomplete(deviation: Array, seeds: Seeds, random: np.random.Generator) -> Array:
    """Draws of the expected accuracy of a configuration some of whose seeds did not complete."""
    reached = np.mean(seeds.completed) if seeds.completed else CHANCE
    share = random.beta(seeds.incomplete + 0.5, len(seeds.completed) + 0.5, len(deviation))
    return (1 - share) * (reached + deviation) + share * CHANCE
