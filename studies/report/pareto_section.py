"""What the report shows of a search with further objectives: its Pareto front and constraints."""

from __future__ import annotations

from fmnist_model.hyperparameters import shown
from search.presets import UNITS
from search.study import (
    STANDING_COLUMNS,
    Winner,
    measure_in_words,
    searched_names,
    standing_figures,
)
from studies.figures import pareto
from studies.page import Figure, Section, Table
from studies.report.budget_sections import configuration_name


def pareto_section(best: Winner) -> Section:
    """The front, the figures that it is made of, and what is chosen from it."""
    assert best.objective is not None
    assert best.standing is not None
    small = best.objective.minimize
    constraints = " and ".join(best.objective.constraints)
    lead = f"All configurations here meet {constraints}. " if constraints else ""
    lead += (
        f"Configuration {best.standing.configuration} is chosen by the rule {best.rule}: it is "
        f"{best.reason}."
    )
    if not small:
        return Section("Constraints", lead)
    note = (
        "A configuration is on the front if no other is at least as good in everything and better "
        "in something. Which ones these are depends on expected accuracies, so the front may "
        "change within the intervals."
    )
    drawn = [
        Figure(
            f"Accuracy and {measure}",
            pareto.draw_front(pareto.front_data(best, measure)),
            f"Each configuration's expected accuracy with its 95 % interval, against {measure}; "
            f"the line is the highest accuracy that is reached with so much or less.",
        )
        for measure in small
    ]
    return Section("The Pareto front", lead, tables=[_table(best)], figures=drawn, note=note)


def _table(best: Winner) -> Table:
    assert best.objective is not None
    small = best.objective.minimize
    names = searched_names(best.front)
    head = ["configuration", *STANDING_COLUMNS[:3]]
    head += [f"{measure} ({UNITS[measure]})" for measure in small]
    rows = [
        [
            configuration_name(one.configuration, one == best.standing),
            *standing_figures(one)[:3],
            *(measure_in_words(one, measure) for measure in small),
            *(shown(one.params.get(name, "")) for name in names),
        ]
        for one in best.front
    ]
    numbers = (0, 1, *range(4, 4 + len(small)))
    return Table([*head, *names], rows, numbers=numbers, caption="The front, most accurate first")
