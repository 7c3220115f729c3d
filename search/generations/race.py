"""Which seeds the best configurations get next, until it is known which of them is the best.

Each seed goes to the leader, which has the highest mean, or to its challenger, which is the most
probably better one, whichever of the two has had fewer: so seeds go where they decide most. This
is the top-two sampling of Russo (2016, https://arxiv.org/abs/1602.08448), with the allocation
between the two of LUCB (Kalyanakrishnan et al., ICML 2012): the best and its strongest rival.
Racing to choose among configurations is older (F-race; Lopez-Ibanez et al., the irace package,
2016, https://doi.org/10.1016/j.orp.2016.09.002).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from search.presets import Preset
from search.study import (
    EQUAL,
    FEWEST_SEEDS,
    SEEDS_OF_EQUALS,
    EndedRun,
    RunKey,
    Standing,
    contenders,
    is_decided,
    standard_error,
    standings,
)

NORMAL_90 = 1.28
"""A standard normal variable is below this with probability .9."""
MOST_SEEDS = 10
"""A configuration gets no more seeds of the race than this."""


def race(runs: Sequence[EndedRun], preset: Preset, budget: int, count: int) -> list[RunKey]:
    """The next `count` runs of `budget` epochs with further seeds, all of them at once.

    Fewer than `count`, or none, once it is decided which configuration is the best, or where those
    that may be have had `MOST_SEEDS` seeds. Runs are planned without knowing how others of the
    same call will end: a planned seed makes the mean of its configuration more certain, but moves
    it not.
    """
    found = standings(runs, preset, budget)
    if is_decided(found):
        return []
    field = {one.configuration: one for one in contenders(found)}
    seeds = {one.configuration: one.raced for one in field.values()}
    free = {one.configuration: max(one.values) + 1 for one in field.values()}
    planned = []
    for _ in range(count):
        chosen = _next(list(field.values()), seeds)
        if chosen is None:
            break
        planned.append(RunKey(chosen, budget, free[chosen]))
        seeds[chosen] += 1
        free[chosen] += 1
    return planned


def _next(field: Sequence[Standing], seeds: dict[int, int]) -> int | None:
    """The configuration that gets the next seed; `seeds` says how many of the race each has had."""
    if not field:
        return None
    leader = min(field, key=lambda one: (-one.mean, one.configuration))
    rivals = sorted(
        (one for one in field if one is not leader),
        key=lambda one: (_distance(leader, one, seeds), one.configuration),
    )
    for rival in rivals or [leader]:
        pair = sorted([leader, rival], key=lambda one: seeds[one.configuration])
        for one in pair:
            if seeds[one.configuration] < MOST_SEEDS:
                return one.configuration
    return None


def _distance(leader: Standing, other: Standing, seeds: dict[int, int]) -> float:
    """By how many standard errors the leader's mean is the higher one, but for a common factor."""
    counts = (max(1, seeds[one.configuration]) for one in (leader, other))
    return (leader.mean - other.mean) / math.sqrt(sum(1 / count for count in counts))


def seeds_to_decide(found: Sequence[Standing]) -> int:
    """About how many more seeds of the race decide which configuration is the best.

    It is what would be needed if all means stayed as they are; 0 where it is decided, or the most
    seeds that a configuration may get would not decide it.
    """
    field = contenders(found)
    if not field or is_decided(found):
        return 0
    leader = min(field, key=lambda one: (-one.mean, one.configuration))
    spread = standard_error(leader) * math.sqrt(leader.seeds)
    needed = {
        one.configuration: _seeds_to_tell(leader.mean - one.mean, spread)
        for one in field
        if one is not leader
    }
    needed[leader.configuration] = max(needed.values(), default=FEWEST_SEEDS)
    return sum(max(0, needed[one.configuration] - one.raced) for one in field)


def _seeds_to_tell(difference: float, spread: float) -> int:
    """How many seeds each of two configurations needs, whose means differ by `difference`."""
    if difference <= EQUAL:
        return SEEDS_OF_EQUALS
    seeds = 2 * (NORMAL_90 * spread / difference) ** 2
    return min(MOST_SEEDS, max(FEWEST_SEEDS, math.ceil(seeds)))
