"""What the report shows of a search in budgets: the chosen configuration, the race, its runs."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial

from fmnist_model.hyperparameters import shown
from search.study import (
    STANDING_COLUMNS,
    TrialRecord,
    Winner,
    ending,
    epochs_in_words,
    further_columns,
    further_figures,
    interval_in_words,
    probability_in_words,
    searched_names,
    seeds_in_words,
    standing_figures,
)
from studies.figures import budgets, ended_trials, last_value
from studies.page import Figure, Section, Table, Tile

MOST_ROWS = 40
"""So many runs, or configurations, a table lists."""


def best_tiles(best: Winner) -> list[Tile]:
    """The best validation accuracy; of a search in budgets how it was found, too."""
    one = best.standing
    if one is None:
        note = f"trial {best.trial.number}, after its last epoch"
        return [Tile(f"{best.value:.4f}", "best validation accuracy", note)]
    kind = "mean" if one.seeds > 1 else "estimate"
    note = f"{kind} of {seeds_in_words(one)}; 95 % interval {interval_in_words(one)}"
    return [
        Tile(f"{one.mean:.4f}", "expected validation accuracy", note),
        Tile(probability_in_words(one), "probability that it is the best", best.reason),
    ]


def best_caption(best: Winner) -> str:
    """The caption of the table of the best configuration's hyperparameters."""
    if best.standing is None:
        return f"The best configuration, trial {best.trial.number}"
    one = best.standing
    return (
        f"The best configuration, {one.configuration}, first run for "
        f"{epochs_in_words(one.budget)} as trial {one.number}; {one.parameters:,} weights"
    )


def first_runs_in_words(compared: Sequence[FrozenTrial]) -> str:
    """Which runs are shown where runs of different budgets cannot be compared."""
    budget = TrialRecord.of(compared[0]).budget if compared else None
    return f"The accuracy of each configuration's first run, of {epochs_in_words(budget or 0)},"


def race_section(best: Winner) -> Section:
    """How the configurations stand, and the seeds from which that is known."""
    assert best.standing is not None
    data = budgets.race_data(best.standings, best.standing)
    lead = (
        f"Configurations after {epochs_in_words(best.standing.budget)}, by their expected "
        f"validation accuracy with another seed. Configuration {best.standing.configuration} is "
        f"{best.reason}."
    )
    note = (
        "The seed with which a configuration came here was probably a lucky one, so it does not "
        "count once there are others. The means of the best are drawn towards each other by as "
        "much as seeds alone would explain their differences. A seed that did not complete counts "
        "as guessing."
    )
    figure = Figure(
        "Race",
        budgets.draw_race(data),
        "The mean of each configuration with its 95 % interval; each dot is a seed.",
    )
    tables = [_standings_table(best)]
    return Section("The race of the best", lead, tables=tables, figures=[figure], note=note)


def _standings_table(best: Winner) -> Table:
    first = best.standings[:MOST_ROWS]
    names = searched_names(first)
    head = ["configuration", *STANDING_COLUMNS, *further_columns(best), *names]
    rows = [
        [
            configuration_name(one.configuration, one == best.standing),
            *standing_figures(one),
            *further_figures(best, one),
            *(shown(one.params.get(name, "")) for name in names),
        ]
        for one in first
    ]
    return Table(head, rows, numbers=(0, 1, 4, 5))


def configuration_name(number: int, chosen: bool) -> str:
    """How a table names a configuration."""
    return f"{number}{' (chosen)' if chosen else ''}"


def runs_section(trials: Sequence[FrozenTrial], best: Winner) -> Section:
    """The runs of the budget by which configurations are judged, the latest last."""
    assert best.standing is not None
    budget = best.standing.budget
    judged = [t for t in ended_trials(trials) if TrialRecord.of(t).budget == budget]
    head = ("trial", "configuration", "role", "replicate", "budget", "ending", "accuracy")
    rows = [_run_row(trial) for trial in judged[-MOST_ROWS:]]
    cut = f"The last {MOST_ROWS} of {len(judged)} runs" if len(judged) > MOST_ROWS else "The runs"
    return Section(
        "Runs",
        f"{cut} of {epochs_in_words(budget)}.",
        tables=[Table(head, rows, numbers=(0, 1, 3, 4, 6))],
        note="All trials are in trials.csv and trials.parquet beside this page, one row a trial.",
    )


def _run_row(trial: FrozenTrial) -> list[str]:
    record, value = TrialRecord.of(trial), last_value(trial)
    numbers = (record.configuration, record.role, record.replicate, record.budget)
    accuracy = f"{value:.4f}" if value is not None else "-"
    return [str(trial.number), *map(str, numbers), ending(trial), accuracy]
