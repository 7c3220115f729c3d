"""The best of a study: a trial, or, in a search in budgets, a configuration judged by its seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from optuna.study import Study
from optuna.trial import FrozenTrial

from search.presets import Preset, parse_preset
from search.study.standings import (
    BEST_PROBABILITY,
    EQUAL,
    Standing,
    chosen,
    current_standings,
    is_decided,
)
from search.study.trials import best_trials


class Winner(NamedTuple):
    """The best of a study so far.

    `trial` is the best trial, in a search in budgets the first one of the chosen configuration at
    the budget by which it was judged. `standings` is how the configurations stand there, the best
    first, and `standing` the chosen one's; empty and None where there are no budgets.
    """

    trial: FrozenTrial
    standing: Standing | None = None
    standings: Sequence[Standing] = ()

    @property
    def value(self) -> float:
        """Its validation accuracy: the trial's, or the expected one of the configuration."""
        if self.standing is not None:
            return self.standing.mean
        assert self.trial.value is not None
        return self.trial.value

    @property
    def reason(self) -> str:
        """Why this configuration is the best, in a clause; only in a search in budgets."""
        assert self.standing is not None
        probability, decided = probability_in_words(self.standing), is_decided(self.standings)
        if decided and self.standing.best_probability >= BEST_PROBABILITY:
            return f"the best with probability {probability}"
        if decided:
            return (
                f"equal within {EQUAL:g} to all that may be the best, of which none has fewer "
                f"weights than its {self.standing.parameters:,}"
            )
        if self.standing is self.standings[0]:
            return f"the best so far, with probability {probability}; not decided yet"
        return (
            f"the smallest, with {self.standing.parameters:,} weights, of those within {EQUAL:g} "
            f"of the highest mean, {self.standings[0].mean:.4f}; not decided yet"
        )


def winner(trials: Sequence[FrozenTrial], preset: Preset | None) -> Winner | None:
    """The best of a study's trials; None while there is none.

    `preset` is the study's; None stands for any without budgets.
    """
    found = current_standings(trials, preset) if preset is not None and preset.search else []
    if found:
        best = chosen(found)
        trial = next(trial for trial in trials if trial.number == best.number)
        return Winner(trial, best, found)
    return next((Winner(trial) for trial in best_trials(trials, 1)), None)


def winner_of(study: Study) -> Winner | None:
    """The best of a study, whoever made it."""
    return winner(study.get_trials(deepcopy=False), budgeted_preset(study))


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
