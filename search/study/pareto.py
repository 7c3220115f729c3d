"""The Pareto front of a search with several objectives, and which of it is exported.

A configuration *dominates* another if it is at least as good in every objective, and better in one.
Those that no other dominates are the Pareto front: of any two of them each is better in something.
Accuracies are expected ones, so the front may change as more seeds are known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from search.presets import ExportRule, Measure, ObjectiveConfig
from search.study.standings import FEWEST_SEEDS, Standing, chosen

NORMAL_95 = 1.96
"""A 95 % interval reaches so many standard errors to either side."""

Point = Sequence[float]
"""A figure for each objective, of which less is better."""


def dominates(one: Point, other: Point) -> bool:
    """Is the first at least as good in everything, and better in something?

    >>> dominates((1, 2), (1, 3)), dominates((1, 2), (1, 2)), dominates((1, 2), (2, 1))
    (True, False, False)
    """
    pairs = list(zip(one, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def fronts(points: Sequence[Point]) -> list[int]:
    """On which front each point lies: 0 is the Pareto front, 1 what that is without front 0, ...

    It is called non-dominated sorting (Deb et al., 2002, https://doi.org/10.1109/4235.996017).

    >>> fronts([(1, 3), (3, 1), (2, 4), (4, 4)])
    [0, 0, 1, 2]
    """
    found = [0] * len(points)
    order = sorted(range(len(points)), key=lambda n: tuple(points[n]))
    for place, n in enumerate(order):  # what dominates a point comes before it
        above = [found[m] for m in order[:place] if dominates(points[m], points[n])]
        found[n] = 1 + max(above, default=-1)
    return found


def point(accuracy: float, measured: Mapping[str, float], small: Sequence[Measure]) -> Point:
    """The figures of a configuration; one that is not known counts as the worst that there is."""
    return (-accuracy, *(measured.get(name, math.inf) for name in small))


def minimised(objective: ObjectiveConfig | None) -> tuple[Measure, ...]:
    """What is to be small: what the preset says, or else the network."""
    return (objective.minimize if objective is not None else ()) or ("parameters",)


def pareto_front(found: Sequence[Standing], small: Sequence[Measure]) -> list[Standing]:
    """Those that none of the others dominates in accuracy and what is to be `small`.

    `found` are the configurations that violate no constraint, as `standings` gives them.
    """
    numbers = fronts([point(one.mean, one.measured, small) for one in found])
    return [one for one, number in zip(found, numbers, strict=True) if number == 0]


def within_one_standard_error(
    found: Sequence[Standing], small: Sequence[Measure]
) -> list[Standing]:
    """Those of the front that are at most one standard error less accurate than the best."""
    lowest = found[0].mean - standard_error(found[0])
    return [one for one in pareto_front(found, small) if one.mean >= lowest]


def standard_error(one: Standing) -> float:
    """That of the expected accuracy of a configuration."""
    return (one.high - one.low) / (2 * NORMAL_95)


def exported(
    found: Sequence[Standing], objective: ObjectiveConfig | None, rule: ExportRule
) -> Standing:
    """The configuration that a rule takes, of at least one; it is on the Pareto front.

    "one_standard_error" takes none but the best itself that has fewer than `FEWEST_SEEDS` seeds of
    the race; all that are so near to the best have them once the race is decided.
    """
    if rule == "best":
        return chosen(pareto_front(found, objective.minimize) if objective else found)
    small = minimised(objective)
    tested = [
        one
        for one in within_one_standard_error(found, small)
        if one.raced >= FEWEST_SEEDS or one is found[0]
    ]
    return min(tested or found[:1], key=lambda one: _order(one, small[0]))


def _order(one: Standing, measure: Measure) -> tuple[float, float, int]:
    return one.measured.get(measure, math.inf), -one.mean, one.configuration
