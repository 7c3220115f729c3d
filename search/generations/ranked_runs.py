"""The ended runs of a search with further objectives, as promotions and the sampler rank them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from search.presets import ObjectiveConfig, Preset
from search.study import EndedRun, by_configuration, fronts, measures, point


def ranked_runs(runs: Sequence[EndedRun], preset: Preset) -> Sequence[EndedRun]:
    """The runs with values that also follow the preset's further objectives.

    Where something is to be small, a configuration's value is its place among those of the same
    budget: 1 for the first, and nearer to 0 the later it comes. Those on the Pareto front come
    first, then those on the front of the others, and so on; of one front the most accurate come
    first. Those that violate a constraint have no value, as if they had been stuck.

    What is only measured in runs of the greatest budget, as latency is, ranks only those. Without
    further objectives the runs are returned as they are.
    """
    objective = preset.objective
    if objective is None:
        return runs
    values: dict[tuple[int, int], float] = {}
    for budget in {run.key.budget for run in runs}:
        complete = by_configuration([run for run in runs if run.value is not None], budget)
        measured = {one: measures(own, preset) for one, own in complete.items()}
        means = {
            one: fmean(run.value for run in own if run.value is not None)
            for one, own in complete.items()
            if not objective.is_violated(measured[one])
        }
        placed = _places(means, measured, objective) if objective.minimize else means
        values |= {(one, budget): value for one, value in placed.items()}
    return [
        replace(run, value=None if run.value is None else values.get(run.key[:2])) for run in runs
    ]


def _places(
    means: Mapping[int, float],
    measured: Mapping[int, Mapping[str, float]],
    objective: ObjectiveConfig,
) -> dict[int, float]:
    """A value for each configuration, given its accuracy, by its place among the others."""
    points = [point(mean, measured[one], objective.minimize) for one, mean in means.items()]
    ranked = sorted(
        zip(fronts(points), means, strict=True), key=lambda two: (two[0], -means[two[1]], two[1])
    )
    return {one: 1 - place / len(ranked) for place, (_, one) in enumerate(ranked)}
