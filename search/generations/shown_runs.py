"""The ended runs of a search in budgets, as a sampler is shown them: a trial a configuration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.presets import Preset, distributions
from search.storage import FIXED_PARAMS
from search.study import EndedRun


def shown_trials(
    preset: Preset, runs: Sequence[EndedRun], min_runs: int, shows_shorter: bool
) -> list[FrozenTrial]:
    """The trials that stand for the configurations, in the order of their numbers.

    Those that have completed a run of the shown budget have the mean value of their seeds there.
    The shown budget is the greatest that `min_runs` of them have completed, as in BOHB (Falkner et
    al., 2018, https://arxiv.org/abs/1807.01774), else the smallest. Those that were stuck, have
    diverged or failed at any budget are pruned. Of the others, which were not tried for so long,
    nothing is shown; with `shows_shorter` they are trials that were pruned after as many epochs as
    they were tried for, which Optuna's TPE ranks below those that completed.
    """
    budget = _shown_budget(preset, runs, min_runs)
    space = distributions(preset)
    by_configuration: dict[int, list[EndedRun]] = {}
    for run in runs:
        by_configuration.setdefault(run.key.configuration, []).append(run)
    found = (
        _trial(by_configuration[one], budget, space, shows_shorter)
        for one in sorted(by_configuration)
    )
    return [trial for trial in found if trial is not None]


def _shown_budget(preset: Preset, runs: Sequence[EndedRun], min_runs: int) -> int:
    """The budget whose values the sampler is shown.

    CMA-ES is always shown the smallest one: it learns from whole generations of its own, of which
    only the best were tried for longer.
    """
    smallest = preset.budgets[0]
    if preset.sampler.name == "cmaes":
        return smallest
    complete = {(run.key.budget, run.key.configuration) for run in runs if run.value is not None}
    counts = Counter(budget for budget, _ in complete)
    enough = (budget for budget in preset.budgets if counts[budget] >= min_runs)
    return max(enough, default=smallest)


def _trial(
    runs: Sequence[EndedRun],
    budget: int,
    space: Mapping[str, BaseDistribution],
    shows_shorter: bool,
) -> FrozenTrial | None:
    """The trial of one configuration, whose runs are given; None if it is not shown."""
    attrs = {name: value for name, value in runs[0].system_attrs.items() if name != FIXED_PARAMS}
    shown: dict[str, Any] = {"params": runs[0].params, "system_attrs": attrs}
    values = [run.value for run in runs if run.key.budget == budget and run.value is not None]
    reached = {run.key.budget: run.value for run in runs if run.value is not None}
    if values:
        shown |= {"state": TrialState.COMPLETE, "value": fmean(values)}
    elif any(run.value is None for run in runs):
        shown |= {"state": TrialState.PRUNED}
    elif shows_shorter and min(reached) < budget:
        below = {step: value for step, value in reached.items() if step < budget}
        shown |= {"state": TrialState.PRUNED, "intermediate_values": below}
    else:
        return None
    try:
        return create_trial(distributions=dict(space), **shown)
    except ValueError:  # somebody has enqueued it with values that are not in the space
        return None
