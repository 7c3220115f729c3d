"""Which configurations get a longer run: the best share of those that were tried at each budget.

It counts as ASHA does (Li et al., 2020, https://arxiv.org/abs/1810.05934), but decides only when a
generation is complete, so that it does not matter which run ended first.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from search.study import EndedRun, RunKey


def promote(
    runs: Sequence[EndedRun], budgets: Sequence[int], reduction_factor: int
) -> list[RunKey]:
    """The runs of configurations that are promoted now, the longest first.

    Of n configurations that were tried at one budget, floor(n / `reduction_factor`) may have a run
    of a greater one in all, those that were promoted before included: the best by value, and among
    equals that of the lower number. A configuration that was passed over can be promoted later,
    when more have been tried. One that was stuck, has diverged or failed at a budget is not, and
    one that has not begun to learn there only where none has: most such runs stay as they are, and
    where half of a space is stuck they would take the places of all that learn.
    """
    promoted, longest = [], longest_budgets(runs)
    for budget, following in reversed(list(pairwise(budgets))):
        there = [run for run in runs if run.key.budget == budget]
        tried = {run.key.configuration for run in there}
        gone_on = {one for one in tried if longest[one] > budget}
        places = len(tried) // reduction_factor - len(gone_on)
        ranked = ranking([run for run in there if run.has_learned] or there)
        waiting = [one for one in ranked if one not in gone_on]
        promoted += [RunKey(one, following) for one in waiting[: max(0, places)]]
    return promoted


def longest_budgets(runs: Sequence[EndedRun]) -> dict[int, int]:
    """The greatest budget that each configuration was tried at."""
    longest: dict[int, int] = {}
    for run in runs:
        one = run.key.configuration
        longest[one] = max(longest.get(one, 0), run.key.budget)
    return longest


def ranking(runs: Sequence[EndedRun]) -> list[int]:
    """The configurations of these runs by the value of their first seed, the best first.

    Of two tries of the same run the later counts; those without a value are left out.
    """
    values = {run.key.configuration: run.value for run in runs if run.key.replicate == 0}
    complete = [(-value, one) for one, value in values.items() if value is not None]
    return [one for _, one in sorted(complete)]


def promote_best(runs: Sequence[EndedRun], budget: int, count: int) -> list[RunKey]:
    """Runs of `budget` epochs for the `count` best configurations that have had none.

    Those that have been tried for longest come first, and of these the best. So a search that ends
    before its generations got there has trained its best configurations in full.
    """
    longest = longest_budgets(runs)
    best = []
    for reached in sorted({*longest.values()} - {budget}, reverse=True):
        of_budget = [run for run in runs if run.key.budget == reached]
        best += [one for one in ranking(of_budget) if longest[one] == reached]
    return [RunKey(one, budget) for one in best[:count]]
