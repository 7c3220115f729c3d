"""Which seeds the best configurations get next, until it is known which of them is the best."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from search.presets import Preset
from search.study import EndedRun, RunKey


def race(
    runs: Sequence[EndedRun],
    preset: Preset,  # noqa: ARG001
    budget: int,
    count: int,
) -> list[RunKey]:
    """The next `count` runs of `budget` epochs, with further seeds for the two best, in turn."""
    values: dict[int, list[float]] = {}
    tried: dict[int, int] = {}
    for run in runs:
        if run.key.budget == budget:
            configuration = run.key.configuration
            tried[configuration] = max(tried.get(configuration, 0), run.key.replicate)
            if run.value is not None:
                values.setdefault(configuration, []).append(run.value)
    best = sorted(values, key=lambda configuration: (-fmean(values[configuration]), configuration))
    planned = []
    for place in range(count if best else 0):
        configuration = best[:2][place % len(best[:2])]
        tried[configuration] += 1
        planned.append(RunKey(configuration, budget, tried[configuration]))
    return planned
