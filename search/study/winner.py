"""The best of a study: a trial, or, in a search in budgets, a configuration judged by its seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from optuna.study import Study
from optuna.trial import FrozenTrial

from search.presets import (
    MEASURES,
    UNITS,
    ExportRule,
    Measure,
    ObjectiveConfig,
    Preset,
    parse_preset,
)
from search.study.pareto import (
    exported,
    minimised,
    pareto_front,
    standard_error,
    within_one_standard_error,
)
from search.study.runs import ended_runs, epochs_in_words
from search.study.standings import (
    BEST_PROBABILITY,
    EQUAL,
    FEWEST_SEEDS,
    Standing,
    current_standings,
    is_decided,
)
from search.study.trials import best_trials


class Winner(NamedTuple):
    """The best of a study so far.

    `trial` is the best trial, in a search in budgets the first one of the chosen configuration at
    the budget by which it was judged. `standings` is how the configurations stand there, the best
    first, and `standing` the chosen one's; empty and None where there are no budgets. `objective`
    is the preset's, and `rule` the one by which it was chosen.
    """

    trial: FrozenTrial
    standing: Standing | None = None
    standings: Sequence[Standing] = ()
    objective: ObjectiveConfig | None = None
    rule: ExportRule = "best"

    @property
    def value(self) -> float:
        """Its validation accuracy: the trial's, or the expected one of the configuration."""
        if self.standing is not None:
            return self.standing.mean
        assert self.trial.value is not None
        return self.trial.value

    @property
    def front(self) -> list[Standing]:
        """The Pareto front, the most accurate first; empty where nothing is to be small."""
        if self.objective is None or not self.objective.minimize:
            return []
        return pareto_front(self.standings, self.objective.minimize)

    @property
    def reason(self) -> str:
        """Why this configuration is the best, in a clause; only in a search in budgets."""
        assert self.standing is not None
        if self.rule == "one_standard_error":
            return self._reason_of_small()
        probability, decided = probability_in_words(self.standing), is_decided(self.standings)
        if decided and self.standing.best_probability >= BEST_PROBABILITY:
            return f"the best with probability {probability}"
        if decided:
            return (
                f"equal within {EQUAL:g} to all that may be the best, of which none has fewer "
                f"weights than its {self.standing.parameters:,}"
            )
        if self.standing is self.standings[0]:
            so_far = f"the best so far, with probability {probability}"
            if self.standing.best_probability < BEST_PROBABILITY:
                return f"{so_far}; not decided yet"
            return f"{so_far}; not decided before it has had {FEWEST_SEEDS} seeds of the race"
        highest = self.standings[0]
        near = f"within {EQUAL:g} of the highest mean, {highest.mean:.4f}"
        if highest.raced < FEWEST_SEEDS:
            lacks = f"whose configuration {highest.configuration} had too few seeds to be taken"
            return f"{near}, {lacks}; not decided yet"
        weights = f"{self.standing.parameters:,} weights"
        return f"the smallest, with {weights}, of those {near}; not decided yet"

    def _reason_of_small(self) -> str:
        assert self.standing is not None
        small, highest = minimised(self.objective), self.standings[0]
        measure, near = small[0], within_one_standard_error(self.standings, small)
        lacking = sum(one.raced < FEWEST_SEEDS for one in near if one != self.standing)
        seeds = f", but {lacking} of these had too few seeds to be taken" if lacking else ""
        least = f"the one with the least {measure}, {measure_in_words(self.standing, measure)}"
        within = f"within one standard error, {standard_error(highest):.4f}, of the highest mean"
        open_end = "" if is_decided(self.standings) else "; not decided yet"
        return f"{least}, on the Pareto front {within}, {highest.mean:.4f}{seeds}{open_end}"


def winner(
    trials: Sequence[FrozenTrial], preset: Preset | None, rule: ExportRule | None = None
) -> Winner | None:
    """The best of a study's trials; None while there is none.

    `preset` is the study's; None stands for any without budgets. `rule` chooses among the
    configurations of a search in budgets; by default it is the preset's.
    """
    objective = preset.objective if preset is not None else None
    rule = rule or (objective.export if objective is not None else "best")
    found = current_standings(trials, preset) if preset is not None and preset.search else []
    if found:
        best = exported(found, objective, rule)
        trial = next(trial for trial in trials if trial.number == best.number)
        return Winner(trial, best, found, objective, rule)
    if objective is not None:  # of other trials it is not known whether they meet the constraints
        return None
    return next((Winner(trial) for trial in best_trials(trials, 1)), None)


def winner_of(study: Study, rule: ExportRule | None = None) -> Winner | None:
    """The best of a study, whoever made it."""
    return winner(study.get_trials(deepcopy=False), budgeted_preset(study), rule)


def budgeted_preset(study: Study) -> Preset | None:
    """The preset of a study that is searched in budgets; None of any other."""
    tree = study.user_attrs.get("preset")
    if not isinstance(tree, dict) or tree.get("search") is None:
        return None
    return parse_preset(tree, f"study {study.study_name}")


def seeds_in_words(standing: Standing) -> str:
    """What a mean rests on: "4 seeds"; with how many did not complete, if any."""
    words = f"{standing.seeds} seed{'s' if standing.seeds != 1 else ''}"
    return f"{words}, {standing.incomplete} not completed" if standing.incomplete else words


def interval_in_words(standing: Standing) -> str:
    """The 95 % interval: "0.9310 to 0.9350"."""
    return f"{standing.low:.4f} to {standing.high:.4f}"


def probability_in_words(standing: Standing) -> str:
    """The probability of being the best, with two digits: "0.93"."""
    return f"{standing.best_probability:.2f}"


def measure_in_words(standing: Standing, measure: Measure) -> str:
    """What is known of a measure: "1,234" weights, "12.3" seconds, "0.52 (spread 0.03)"
    milliseconds, where the spread is the distance between the quartiles."""
    spread = standing.measured.get("latency_spread_ms") if measure == "latency_ms" else None
    more = f" (spread {spread:.2g})" if spread is not None else ""
    return _figure(standing, measure) + more


def _figure(standing: Standing, measure: Measure) -> str:
    value = standing.measured.get(measure)
    if value is None:
        return "not measured"
    return f"{value:,.0f}" if measure == "parameters" else f"{value:.3g}"


def front_in_words(best: Winner) -> str | None:
    """Which configurations are on the Pareto front, in a sentence; None where there is none."""
    if best.objective is None or not best.front:
        return None
    small = best.objective.minimize
    listed = []
    for one in best.front:
        figures = [f"{_figure(one, measure)} {UNITS[measure]}" for measure in small]
        listed.append(", ".join([f"{one.configuration}: {one.mean:.4f}", *figures]))
    *first, last = ("accuracy", *small)
    return f"Pareto front of {', '.join(first)} and {last}: {'; '.join(listed)}"


def infeasible_in_words(trials: Sequence[FrozenTrial], preset: Preset | None) -> str | None:
    """That no configuration meets the constraints, where some have completed; else None."""
    if preset is None or preset.objective is None or not preset.objective.constraints:
        return None
    budgets = [run.key.budget for run in ended_runs(trials) if run.value is not None]
    if not budgets or current_standings(trials, preset):
        return None
    demanded = " and ".join(preset.objective.constraints)
    tried = f"was tried for {epochs_in_words(max(budgets))}"
    return f"no configuration that {tried} meets {demanded}"


STANDING_COLUMNS = ("mean", "95 % interval", "seeds", "P(best)", "weights")
"""The columns that every table of configurations has, after the one that names them."""


def standing_figures(one: Standing) -> list[str]:
    """What stands in these columns for a configuration."""
    return [
        f"{one.mean:.4f}",
        interval_in_words(one),
        seeds_in_words(one),
        probability_in_words(one),
        f"{one.parameters:,}",
    ]


def searched_names(several: Sequence[Standing]) -> list[str]:
    """The hyperparameters that any of the configurations has."""
    return list(dict.fromkeys(name for one in several for name in one.params))


def further_columns(best: Winner) -> list[str]:
    """The columns that a table of configurations has for the further objectives of its preset."""
    if best.objective is None:
        return []
    return [*_shown_measures(best.objective), *(["front"] if best.front else [])]


def further_figures(best: Winner, one: Standing) -> list[str]:
    """What stands in these columns for a configuration."""
    if best.objective is None:
        return []
    figures = [measure_in_words(one, measure) for measure in _shown_measures(best.objective)]
    return [*figures, *(["yes" if one in best.front else "no"] if best.front else [])]


def _shown_measures(objective: ObjectiveConfig) -> list[Measure]:
    """Those that the preset needs, without the weights, which every table has."""
    return [one for one in MEASURES if one != "parameters" and objective.needs(one)]
