"""Whether the parts of a preset go together: its space, fixed values, arms, beliefs and sampler.

Each check raises ValueError where they do not, with the path of the key and the fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from fmnist_model.hyperparameters import HYPERPARAMETERS, SECTIONS
from fmnist_model.utils import validation_sentence
from search.presets.dimension import Dimension
from search.presets.prior import Belief, Prior
from search.presets.sections import Arm, SamplerConfig

Dimensions = Mapping[str, Dimension]
STEP_TOLERANCE = 1e-6
"""A value may be off a range's steps by so much of a step, which is rounding."""


def check_section(section: str, fixed: Mapping[str, Any], searched: Dimensions) -> None:
    """Check a section's fixed values, and all that is searched of the section beside them."""
    _check_values(section, fixed, section)
    for name, dimension in searched.items():
        if HYPERPARAMETERS[name].section == section:
            if name in fixed:
                raise ValueError(f"{section}.{name}: is also in space.{name}; keep one")
            _check_dimension(name, dimension, fixed)


def _check_dimension(name: str, dimension: Dimension, fixed: Mapping[str, Any]) -> None:
    """Check that the configuration takes every choice, or both ends of the range."""
    values = dimension.values()
    if dimension.choices is None:
        _check_range_type(name, dimension)
        values = tuple(map(int, values)) if HYPERPARAMETERS[name].whole else values
    for value in values:
        _check_values(HYPERPARAMETERS[name].section, {**fixed, name: value}, "space")


def _check_range_type(name: str, dimension: Dimension) -> None:
    if HYPERPARAMETERS[name].range_type is None:
        raise ValueError(f"space.{name}: expected a list of choices, not a range")
    for value in (*dimension.values(), dimension.step or 1):
        if HYPERPARAMETERS[name].whole and value != int(value):
            raise ValueError(f"space.{name}: expected whole numbers, got {value!r}")


def _check_values(section: str, given: Mapping[str, Any], named: str) -> None:
    """Check that the section's configuration takes these values; the message names `named`."""
    try:
        SECTIONS[section](**given)
    except ValidationError as error:
        raise ValueError(validation_sentence(error, named).replace(": ", ".", 1)) from None


def check_arms(arms: Sequence[Arm], sampler: SamplerConfig, searched: Dimensions) -> None:
    """Check that the arms have different names, and values that lie in the space."""
    if len({arm.name for arm in arms}) < len(arms):
        raise ValueError("arms: two arms have the same name")
    for arm in arms:
        for name, value in arm.params.items():
            _check_searched_value(f"arms.{arm.name}.{name}", name, value, searched)
        missing = [name for name in searched if name not in arm.params]
        if sampler.name == "grid" and missing:
            raise ValueError(
                f"arms.{arm.name}: the sampler grid fills nothing in; give {missing[0]}, too"
            )


def _check_searched_value(where: str, name: str, value: Any, searched: Dimensions) -> None:
    if name not in searched:
        raise ValueError(f"{where}: not in the space; search it or remove it here")
    choices = searched[name].choices
    if choices is None:
        _check_in_range(where, name, value, searched[name])
    elif value not in choices:
        raise ValueError(f"{where}: {value!r} is not among the choices in space.{name}")


def _check_in_range(where: str, name: str, value: Any, dimension: Dimension) -> None:
    assert dimension.low is not None
    assert dimension.high is not None
    if not isinstance(value, int | float) or not dimension.low <= value <= dimension.high:
        raise ValueError(
            f"{where}: {value!r} is outside {dimension.low} to {dimension.high} of space.{name}"
        )
    if HYPERPARAMETERS[name].whole and value != int(value):
        raise ValueError(f"{where}: expected a whole number, got {value!r}")
    steps = (value - dimension.low) / (dimension.step or value or 1)
    if dimension.step is not None and abs(steps - round(steps)) > STEP_TOLERANCE:
        raise ValueError(
            f"{where}: {value!r} is not {dimension.low} and a number of steps of {dimension.step}"
        )


def check_sampler(sampler: SamplerConfig, searched: Dimensions) -> None:
    """Check that the sampler can search every dimension."""
    for name, dimension in searched.items():
        if sampler.name == "grid" and dimension.choices is None and dimension.step is None:
            raise ValueError(
                f"sampler.name: grid needs choices or a step everywhere; space.{name} has neither"
            )
        if sampler.name == "cmaes" and dimension.choices is not None:
            raise ValueError(
                f"sampler.name: cmaes needs ranges only, but space.{name} is a list of choices; "
                f"take tpe, qmc or gp"
            )


def check_prior(
    prior: Prior, arms: Sequence[Arm], sampler: SamplerConfig, searched: Dimensions
) -> None:
    """Check that what is believed lies in the space, and that there are the arms that it names."""
    if sampler.name == "grid":
        raise ValueError("prior: the sampler grid tries every point; remove one of the two")
    if not prior.beliefs() and not prior.arms:
        raise ValueError("prior: nothing is believed; name a hyperparameter or an arm")
    known = [arm.name for arm in arms]
    for name in prior.arms:
        if name not in known:
            has = ", ".join(known) or "no arms"
            raise ValueError(f"prior.arms: there is no arm {name!r}; the preset has {has}")
    for name, belief in prior.beliefs().items():
        _check_belief(f"prior.{name}", name, belief, searched)


def _check_belief(where: str, name: str, belief: Belief, searched: Dimensions) -> None:
    if name not in searched or searched[name].choices is None:
        _check_searched_value(where, name, belief.near, searched)
        return
    if belief.spread is not None:
        raise ValueError(f"{where}: spread is for ranges; space.{name} is a list of choices")
    if not belief.choices(searched[name]):
        raise ValueError(f"{where}: the list of choices is empty; name at least one")
    for choice in belief.choices(searched[name]):
        _check_searched_value(where, name, choice, searched)


def check_budgets(
    budgets: Sequence[int] | None, epochs: int, pruned: bool, lag: int | None
) -> None:
    """Check that the budgets end with whole runs, and that nothing stands beside them that they
    replace: a pruner (`pruned` says whether the preset names one) or a lag."""
    if budgets is not None and budgets[-1] != epochs:
        raise ValueError(
            f"search.budgets: the last must be train.epochs, {epochs}, not {budgets[-1]}"
        )
    if pruned:
        raise ValueError("pruner: budgets take its place; remove [pruner] or [search]")
    if lag is not None:
        raise ValueError("workers.lag: a search in budgets needs none; remove it or [search]")
