"""Shows how the configurations of a search in budgets stand, and which are raced."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from fmnist_model.hyperparameters import shown
from search.study import (
    Standing,
    TrialRecord,
    Winner,
    contenders,
    further_columns,
    further_figures,
    interval_in_words,
    probability_in_words,
    seeds_in_words,
)

SHOWN = 5
"""How many configurations a table lists."""


def best_in_words(best: Winner) -> str:
    """The best of a study in one line, without its hyperparameters."""
    if best.standing is None:
        return f"{best.value:.4f} (trial {best.trial.number}"
    one = best.standing
    plural = "epochs" if one.budget != 1 else "epoch"
    return (
        f"{one.mean:.4f} ({interval_in_words(one)}, {seeds_in_words(one)}) after {one.budget} "
        f"{plural}, best with probability {probability_in_words(one)} "
        f"(configuration {one.configuration}"
    )


def race_in_words(trials: Sequence[FrozenTrial], best: Winner | None) -> str | None:
    """Which configurations are being raced; None while no run of a race runs or waits."""
    records = [TrialRecord.of(trial) for trial in trials if not trial.state.is_finished()]
    if best is None or not any(record.role == "race" for record in records):
        return None
    return "racing " + ", ".join(
        f"{one.configuration}: {one.mean:.4f} ({seeds_in_words(one)}, P(best) "
        f"{probability_in_words(one)})"
        for one in contenders(best.standings)
    )


def standings_table(best: Winner, digits: int, narrow: bool = False) -> Table:
    """The first configurations, the chosen one marked.

    Each hyperparameter has a column of its own, or, in a `narrow` table, one column holds all.
    """
    first = list(best.standings[:SHOWN])
    if best.standing is not None and best.standing not in first:
        first.append(best.standing)
    names = list(dict.fromkeys(name for one in first for name in one.params))
    table = Table(
        title=f"best configurations after {first[0].budget} epochs: expected validation accuracy",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("configuration", justify="right")
    columns = ["mean", "95 % interval", "seeds", "P(best)", "weights", *further_columns(best)]
    for column in (*columns, *(["hyperparameters"] if narrow else names)):
        table.add_column(column)
    for one in first:
        values = [escape(shown(one.params.get(name, "-"), digits)) for name in names]
        pairs = " ".join(f"{name}={value}" for name, value in zip(names, values, strict=True))
        figures = [*_figures(one, one is best.standing), *further_figures(best, one)]
        table.add_row(*figures, *([pairs] if narrow else values))
    return table


def _figures(one: Standing, chosen: bool) -> list[str]:
    return [
        f"{'* ' if chosen else ''}{one.configuration}",
        f"{one.mean:.4f}",
        interval_in_words(one),
        seeds_in_words(one),
        probability_in_words(one),
        f"{one.parameters:,}",
    ]


def chosen_in_words(best: Winner) -> str:
    """Which configuration is chosen, and why, as a sentence."""
    assert best.standing is not None
    return f"* configuration {best.standing.configuration}: {best.reason}"
