"""How the configurations of a search in budgets stand, and which of them is chosen.

A configuration is judged by its runs of one budget, usually the greatest. It got there because its
first seed did well, so that seed is likely to have been a lucky one: once there are others, the
seeds of the race, it does not count any more. While there are none it has to count; how much it
flatters is then estimated (`search.study.posterior`, which says how configurations are judged).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from optuna.trial import FrozenTrial

from fmnist_model.network import parameters
from search.presets import Preset, configurations
from search.study.posterior import Seeds, posterior
from search.study.runs import MEASURED, EndedRun, ended_runs

BEST_PROBABILITY = 0.9
"""A configuration that is the best with this probability is chosen."""
EQUAL = 0.002
"""Means that differ by no more than this are equal for all that is wanted of them. It is about what
the choice of 12,000 validation images makes of a difference between two good networks."""
POSSIBLE = 0.05
"""A configuration that is the best with this probability may still turn out to be."""
FEWEST_SEEDS = 2
"""With fewer seeds of the race nothing is decided for a configuration."""
SEEDS_OF_EQUALS = 3
"""So many seeds of the race has each of those that are taken for equal."""
MOST_CONTENDERS = 5
"""How many configurations are raced."""


@dataclass(frozen=True)
class Standing:
    """What is known of a configuration at one budget.

    Attributes:
        configuration: Its number: the ordinal of the trial that tried it first.
        params: The stored values of its searched hyperparameters.
        number: The number of the trial that is its first run of that budget.
        budget: The epochs of the runs by which it is judged.
        values: The validation accuracy of each of its seeds, by replicate; None if it did not
            complete.
        mean: Its expected validation accuracy with another seed.
        low, high: The 95 % interval of that.
        seeds: How many seeds the mean rests on.
        raced: How many of them are seeds of the race.
        incomplete: How many of all its seeds were stuck, diverged, pruned or failed.
        best_probability: How probable it is that no other has a higher expected accuracy.
        parameters: The number of its network's trainable weights.
        measured: `parameters`, and the means over its seeds of what was measured of them: see
            `search.study.runs.MEASURED`.
    """

    configuration: int
    params: Mapping[str, Any]
    number: int
    budget: int
    values: Mapping[int, float | None]
    mean: float
    low: float
    high: float
    seeds: int
    raced: int
    incomplete: int
    best_probability: float
    parameters: int
    measured: Mapping[str, float]


def standings(runs: Sequence[EndedRun], preset: Preset, budget: int) -> list[Standing]:
    """How the configurations stand that have had runs of `budget` epochs, the best first.

    Those that violate a constraint of the preset are left out, so nothing is estimated from them.
    """
    of_budget = by_configuration(runs, budget)
    measured = {one: measures(own, preset) for one, own in of_budget.items()}
    if preset.objective is not None:
        violating = [one for one in of_budget if preset.objective.is_violated(measured[one])]
        of_budget = {one: own for one, own in of_budget.items() if one not in violating}
    if not of_budget:
        return []
    values = [{run.key.replicate: run.value for run in own} for own in of_budget.values()]
    seeds = [_counted(own) for own in values]
    known = posterior(seeds)
    found = [
        Standing(
            configuration=configuration,
            params=own[0].params,
            number=own[0].number,
            budget=budget,
            values=values[index],
            mean=float(known.mean[index]),
            low=float(known.low[index]),
            high=float(known.high[index]),
            seeds=seeds[index].number,
            raced=sum(replicate > 0 for replicate in values[index]),
            incomplete=sum(value is None for value in values[index].values()),
            best_probability=float(known.best[index]),
            parameters=int(measured[configuration]["parameters"]),
            measured=measured[configuration],
        )
        for index, (configuration, own) in enumerate(of_budget.items())
    ]
    return sorted(found, key=lambda one: (-one.mean, one.configuration))


def by_configuration(runs: Sequence[EndedRun], budget: int) -> dict[int, list[EndedRun]]:
    """The runs of `budget` epochs of each configuration, by replicate."""
    found: dict[int, list[EndedRun]] = {}
    for run in sorted(runs, key=lambda run: run.key):
        if run.key.budget == budget:
            found.setdefault(run.key.configuration, []).append(run)
    return found


def measures(own: Sequence[EndedRun], preset: Preset) -> dict[str, float]:
    """What is known of a configuration beside its accuracy, of its runs of one budget.

    The size of its network always, and the means of what was measured of any of these runs.
    """
    size = parameters(configurations(preset, own[0].params, 0)[0])
    found = {name: [run.measured[name] for run in own if name in run.measured] for name in MEASURED}
    means = {name: fmean(values) for name, values in found.items() if values}
    return {"parameters": size, **means}


def _counted(values: Mapping[int, float | None]) -> Seeds:
    """The seeds that count: those of the race, and a first one that was not lucky.

    That is one that did not complete. While there is no other, the first one counts in any case.
    """
    raced = any(replicate > 0 for replicate in values)
    counted = [v for replicate, v in values.items() if replicate > 0 or v is None or not raced]
    completed = [value for value in counted if value is not None]
    return Seeds(completed, len(counted) - len(completed))


def current_standings(trials: Sequence[FrozenTrial], preset: Preset) -> list[Standing]:
    """How a study's configurations stand at the greatest budget that a run has completed.

    The best first; empty while no run has completed.
    """
    runs = ended_runs(trials)
    reached = max((run.key.budget for run in runs if run.value is not None), default=0)
    return standings(runs, preset, reached)


def contenders(found: Sequence[Standing]) -> list[Standing]:
    """Those that may still turn out to be the best, the most probable first; never none of any.

    A configuration whose first seed did not complete is not among them.
    """
    able = [one for one in found if one.values.get(0) is not None]
    ranked = sorted(able, key=lambda one: (-one.best_probability, -one.mean, one.configuration))
    return [one for n, one in enumerate(ranked) if n == 0 or one.best_probability >= POSSIBLE][
        :MOST_CONTENDERS
    ]


def is_decided(found: Sequence[Standing]) -> bool:
    """Is it known which configuration is the best, or that the best are equal?"""
    possible = contenders(found)
    if not possible:
        return False
    if possible[0].best_probability >= BEST_PROBABILITY:
        return possible[0].raced >= FEWEST_SEEDS
    highest, lowest = (pick(one.mean for one in possible) for pick in (max, min))
    return highest - lowest <= EQUAL and all(one.raced >= SEEDS_OF_EQUALS for one in possible)


def chosen(found: Sequence[Standing]) -> Standing:
    """The configuration to take, of at least one: the best, or the smallest of those that equal it.

    Where none is the best with `BEST_PROBABILITY`, those within `EQUAL` of the first are its equals
    if they have had `FEWEST_SEEDS` seeds of the race.
    """
    first = found[0]
    if first.best_probability >= BEST_PROBABILITY:
        return first
    equal = [one for one in found if first.mean - one.mean <= EQUAL and one.raced >= FEWEST_SEEDS]
    return min(equal or [first], key=lambda one: (one.parameters, -one.mean, one.configuration))
