"""A warm start: a study begins near the best configurations of another one.

They are copied into the new study when it is created: so what it proposes does not depend on what
becomes of the other one, and its workers need not read that. The other study may have other data,
other budgets or none, and another space.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import RDBStorage
from optuna.study import Study

from fmnist_model.utils import Remedy, UserError
from search.generations.beliefs import nearest
from search.presets import Preset, distributions
from search.study import (
    best_trials,
    budgeted_preset,
    infeasible_in_words,
    load_study,
    winner_of,
)

WARM_START = "warm_start"
"""The study's user attribute that holds its warm start."""
TAKEN = 10
"""So many of the other study's best configurations are taken."""


class WarmStartError(UserError):
    """A study cannot be begun from another, or was not: the message says why."""


@dataclass(frozen=True)
class WarmStart:
    """From which study another one was begun.

    Attributes:
        study: The name of the study that it was begun from.
        configurations: That study's best configurations, the best first, as stored values of
            hyperparameters that lie in the space of the new one.
    """

    study: str
    configurations: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, study: Study) -> WarmStart | None:
        """The warm start of a study; None if it had none."""
        known = study.user_attrs.get(WARM_START)
        return cls(**known) if known is not None else None

    @property
    def attributes(self) -> dict[str, Any]:
        """The user attributes of the new study."""
        return {WARM_START: asdict(self)}

    def in_words(self) -> str:
        """Where the study was begun from, in a clause."""
        count = len(self.configurations)
        best = f"the {count} best configurations" if count > 1 else "the best configuration"
        return f"begun from {best} of study {self.study}"


def begun_from(source: str, storage: RDBStorage, url: str, name: str, preset: Preset) -> WarmStart:
    """The warm start of the new study `name` of this preset from the study `source`.

    Args:
        source: The name of a study in the same database.
        storage: The database.
        url: Its URL, for messages.
        name: The name of the new study.
        preset: That of the new study.

    Raises WarmStartError where there is nothing to take, or the search can take nothing, and
    StorageError where there is no such study.
    """
    _check_that_it_can(source, preset)
    if source == name:
        raise WarmStartError(f"study {name!r} cannot be begun from itself", Remedy.OMIT_SOURCE)
    other = load_study(storage, url, source)
    best = best_params(other)
    if not best:
        raise WarmStartError(_nothing_to_take(other), Remedy.OMIT_SOURCE)
    fitting = [params for params in (fitted(one, distributions(preset)) for one in best) if params]
    if not fitting:
        problem = f"study {source!r} has no values for what is searched here"
        raise WarmStartError(problem, Remedy.OMIT_SOURCE)
    return WarmStart(source, fitting)


def _nothing_to_take(other: Study) -> str:
    infeasible = infeasible_in_words(other.get_trials(deepcopy=False), budgeted_preset(other))
    if infeasible is not None:
        return f"study {other.study_name!r}: {infeasible}, so there is nothing to begin from"
    name = other.study_name
    return f"no trial of study {name!r} has completed, so there is nothing to begin from"


def _check_that_it_can(source: str, preset: Preset) -> None:
    if preset.search is None:
        problem = f"only a search in budgets can be begun from a study ({source!r})"
        raise WarmStartError(problem, Remedy.ADD_SEARCH)
    if preset.sampler.name == "grid":
        problem = f"the sampler grid tries every point, so it takes nothing from study {source!r}"
        raise WarmStartError(problem, Remedy.OMIT_SOURCE)


def check_begun_from(study: Study, source: str) -> None:
    """Raise WarmStartError if the study was not begun from the study `source`."""
    known = WarmStart.of(study)
    if known is None or known.study != source:
        other = f"study {known.study!r}" if known is not None else "no other study"
        problem = f"study {study.study_name!r} was begun from {other}, not from {source!r}"
        raise WarmStartError(problem, Remedy.OMIT_SOURCE)


def best_params(study: Study) -> list[dict[str, Any]]:
    """The stored parameters of a study's best configurations, the best first, `TAKEN` at most."""
    best = winner_of(study)
    if best is None:
        return []
    if best.standings:
        completed = [one for one in best.standings if one.values.get(0) is not None]
        return [dict(one.params) for one in completed[:TAKEN]]
    return [trial.params for trial in best_trials(study.get_trials(deepcopy=False), TAKEN)]


def fitted(params: Mapping[str, Any], space: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    """What of a configuration can be tried in a space, as stored values.

    A number outside of a range becomes the end of it, and one between two steps the nearer of them.
    What is not in the space, and a choice that the space does not have, is left out.
    """
    found = {
        name: _fitted(params[name], distribution)
        for name, distribution in space.items()
        if name in params
    }
    return {name: value for name, value in found.items() if value is not None}


def _fitted(value: Any, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return next((choice for choice in distribution.choices if choice == value), None)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return nearest(distribution, value)
