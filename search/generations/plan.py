"""The next generation of a search in budgets: longer runs and new configurations, or a race."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from typing import Any

from search.generations.promotions import promote, promote_best
from search.generations.proposals import propose
from search.generations.race import race
from search.generations.ranked_runs import ranked_runs
from search.presets import Preset
from search.study import EndedRun, PlannedRun, Role, RunKey, is_decided, standings

RACE_SHARE = 5
"""One of so many trials is kept for the race: further seeds of the best configurations."""
FINALISTS = 2
"""So many configurations are trained in full before the race, where no generation got that far."""


def race_reserve(trials: int) -> int:
    """How many of the trials that a search shall have are kept for its end.

    >>> race_reserve(1), race_reserve(50)
    (1, 10)
    """
    return ceil(trials / RACE_SHARE)


def plan(
    preset: Preset,
    seed: int,
    runs: Sequence[EndedRun],
    generation: int,
    first_ordinal: int,
    remaining: int,
    reserve: int,
    warm_start: Sequence[Mapping[str, Any]] = (),
) -> list[PlannedRun]:
    """The runs of the next generation, at most `remaining`, those of the longest budget first.

    Promotions come first, then new configurations; the last `reserve` runs of the search are for
    the race. A search that has fewer trials before than behind it, because it had ended and goes on
    with a few more, first finishes the race that it had begun. None is planned only where a grid is
    exhausted and it is decided which of its points is the best. The last run of a search is always
    one of the greatest budget.

    Args:
        preset: What is searched, and in which budgets.
        seed: The study's seed.
        runs: Those that have ended, in the order of their ordinals.
        generation: The number of the generation, from 0.
        first_ordinal: The ordinal of the first run that is planned.
        remaining: How many runs are still to be made; at least 1.
        reserve: How many of these are kept for the race.
        warm_start: The configurations of another study near which new ones are drawn at first.
    """
    planner = _Planner(preset, seed, runs, generation, first_ordinal, warm_start)
    if remaining > reserve and not (remaining < len(runs) and planner.is_racing()):
        explored = planner.explored()[: remaining - reserve]
        return explored or planner.finals(remaining)
    return (
        planner.finals(remaining)
        or planner.explored()[: remaining - 1]
        or planner.in_full(1)
        or planner.new_in_full()
    )


def race_is_over(preset: Preset, runs: Sequence[EndedRun]) -> bool:
    """Has the race had its share of the trials, or is nothing left of it, because it is decided or
    more seeds would not decide it?"""
    raced = sum(run.key.replicate > 0 for run in runs)
    return raced >= race_reserve(len(runs)) or not has_finals(preset, runs)


def has_finals(preset: Preset, runs: Sequence[EndedRun]) -> bool:
    """Is there a configuration that is to be trained in full, or a race that is not decided?"""
    return bool(_Planner(preset, 0, runs, 0, 0).finals(1))


@dataclass(frozen=True)
class _Planner:
    """What a generation may consist of; the fields are arguments of `plan`."""

    preset: Preset
    seed: int
    runs: Sequence[EndedRun]
    generation: int
    first_ordinal: int
    warm_start: Sequence[Mapping[str, Any]] = ()

    def is_racing(self) -> bool:
        """Has the race begun, and not been decided?"""
        begun = any(run.key.replicate > 0 for run in self.runs)
        return begun and not is_decided(standings(self.runs, self.preset, self.preset.budgets[-1]))

    @cached_property
    def ranked(self) -> Sequence[EndedRun]:
        """The runs, with values by which they are promoted and shown to the sampler."""
        return ranked_runs(self.runs, self.preset)

    def explored(self) -> list[PlannedRun]:
        """Promotions and new configurations."""
        assert self.preset.search is not None
        keys = self._promotions()
        return self._known(keys, "promotion") + self._new(len(keys), self.preset.search.generation)

    def finals(self, remaining: int) -> list[PlannedRun]:
        """The race among those that were trained in full.

        Those that are to be promoted there come first, but leave half of the trials to the race.
        Where none was trained in full the best so far are, or a new one if there is none better.
        """
        assert self.preset.search is not None
        top, count = self.preset.budgets[-1], min(remaining, self.preset.search.generation)
        if not any(run.key.budget == top and run.value is not None for run in self.ranked):
            return self.in_full(min(count, FINALISTS)) or self.new_in_full()
        entitled = [key for key in self._promotions() if key.budget == top]
        if entitled:
            return self._known(entitled[: ceil(count / 2)], "promotion")
        return self._known(race(self.runs, self.preset, top, count), "race")

    def in_full(self, count: int) -> list[PlannedRun]:
        """The best configurations that were not trained in full yet, promoted right there."""
        best = promote_best(self.ranked, self.preset.budgets[-1], count)
        return self._known(best, "promotion")

    def new_in_full(self) -> list[PlannedRun]:
        """A new configuration, trained in full."""
        top = self.preset.budgets[-1]
        new = self._new(0, 1)[:1]
        return [replace(run, key=run.key._replace(budget=top)) for run in new]

    def _promotions(self) -> list[RunKey]:
        assert self.preset.search is not None
        return promote(self.ranked, self.preset.budgets, self.preset.search.reduction_factor)

    def _new(self, place: int, count: int) -> list[PlannedRun]:
        """New configurations, the first of which is the `place`-th run of the generation."""
        first = self.first_ordinal + place
        return propose(
            self.preset,
            self.seed,
            self.generation,
            self.ranked,
            count,
            first,
            warm_start=self.warm_start,
        )

    def _known(self, keys: Sequence[RunKey], role: Role) -> list[PlannedRun]:
        """Runs of configurations that have been tried."""
        complete = {run.key.configuration: run for run in self.runs if run.value is not None}
        tried = [(key, complete[key.configuration]) for key in keys]
        return [PlannedRun(key, role, run.params, run.arm) for key, run in tried]
