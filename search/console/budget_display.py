"""Shows how the configurations of a search in budgets stand, and which are raced."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from fmnist_model.hyperparameters import shown
from search.study import (
    STANDING_COLUMNS,
    Standing,
    TrialRecord,
    Winner,
    contenders,
    epochs_in_words,
    further_columns,
    further_figures,
    interval_in_words,
    probability_in_words,
    searched_names,
    seeds_in_words,
    standing_figures,
)

SHOWN = 5
"""How many configurations a table lists."""


def best_in_words(best: Winner) -> str:
    """The best of a study in one line, without its hyperparameters."""
    if best.standing is None:
        return f"{best.value:.4f} (trial {best.trial.number}"
    one = best.standing
    return (
        f"{one.mean:.4f} ({interval_in_words(one)}, {seeds_in_words(one)}) after "
        f"{epochs_in_words(one.budget)}, best with probability {probability_in_words(one)} "
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


def standings_table(best: Winner, digits: int) -> Table:
    """The first configurations, the chosen one marked; a column for each hyperparameter."""
    return _table(best, searched_names(_first(best)), digits)


def narrow_standings(best: Winner, digits: int) -> Group:
    """The same for a narrow screen: the hyperparameters are lines below the table."""
    lines = [
        f"{one.configuration}: {' '.join(f'{n}={shown(v, digits)}' for n, v in one.params.items())}"
        for one in _first(best)
    ]
    return Group(_table(best, [], digits), *map(Text, lines))


def _first(best: Winner) -> list[Standing]:
    first = list(best.standings[:SHOWN])
    if best.standing is not None and best.standing not in first:
        first.append(best.standing)
    return first


def _table(best: Winner, names: Sequence[str], digits: int) -> Table:
    """A row for each of the first configurations, with a column for each of these hyperparameters.

    Only how many seeds there were, and their other figures, may take more than a line.
    """
    first = _first(best)
    after = f"best configurations after {epochs_in_words(first[0].budget)}"
    table = Table(
        title=f"{after}: expected validation accuracy",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("configuration", justify="right", no_wrap=True)
    for column in STANDING_COLUMNS:
        table.add_column(column, no_wrap=column != "seeds")
    for column in (*further_columns(best), *names):
        table.add_column(column)
    for one in first:
        values = [escape(shown(one.params.get(name, "-"), digits)) for name in names]
        name = f"{'* ' if one is best.standing else ''}{one.configuration}"
        table.add_row(name, *standing_figures(one), *further_figures(best, one), *values)
    return table


def chosen_in_words(best: Winner) -> str:
    """Which configuration is chosen, and why, as a sentence."""
    assert best.standing is not None
    return f"* configuration {best.standing.configuration}: {best.reason}"
