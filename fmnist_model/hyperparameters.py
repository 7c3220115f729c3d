"""The hyperparameters, collected from the fields that `fmnist_model.config` marks `Searchable`.

Presets, the search space, the choice of the engine, the JAX engine and the report ask here which
hyperparameters there are, so that a new one is declared in `fmnist_model.config` alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pydantic.fields import FieldInfo

from fmnist_model.config import Frozen, JaxSupport, ModelConfig, Searchable, TrainConfig

SECTIONS: dict[str, type[ModelConfig] | type[TrainConfig]] = {
    "model": ModelConfig,
    "train": TrainConfig,
}
"""The configurations by the name that their section has in TOML files."""


@dataclass(frozen=True)
class Hyperparameter:
    """A hyperparameter, as its field in a configuration declares it.

    Attributes:
        name: The field's name.
        section: Which configuration it belongs to, a key of SECTIONS.
        field: The field: its type (`annotation`), rules (`metadata`) and default.
        jax: What the JAX engine makes of it; see `fmnist_model.config.Searchable`.
        changes_step_cost: Whether a training step takes longer with one value than with another.
        range_type: `int` or `float` if it can be searched as a range, None if only as a list of
            choices.
    """

    name: str
    section: str
    field: FieldInfo
    jax: JaxSupport
    changes_step_cost: bool
    range_type: type[int] | type[float] | None

    @property
    def whole(self) -> bool:
        """Are the numbers of its range whole?"""
        return self.range_type is int

    @property
    def lowest(self) -> float | None:
        """The lowest number that is allowed (`ge`), None where the field names none."""
        return next((rule.ge for rule in self.field.metadata if hasattr(rule, "ge")), None)


def declared_in(config: type[Frozen], section: str) -> Iterator[Hyperparameter]:
    """The hyperparameters of a configuration, in the order of its fields."""
    for name, field in config.model_fields.items():
        for mark in field.metadata:
            if isinstance(mark, Searchable):
                range_type = mark.range_type or _number_type(field.annotation)
                yield Hyperparameter(
                    name, section, field, mark.jax, mark.changes_step_cost, range_type
                )


def _number_type(annotation: Any) -> type[int] | type[float] | None:
    """`int` or `float` if a field's type is that, with or without None; else None."""
    alternatives = get_args(annotation) or (annotation,)
    if int in alternatives:
        return int
    return float if float in alternatives else None


HYPERPARAMETERS: dict[str, Hyperparameter] = {
    hyperparameter.name: hyperparameter
    for section, config in SECTIONS.items()
    for hyperparameter in declared_in(config, section)
}
"""All hyperparameters by name. Their order is that of the search space, which decides what samplers
draw."""


def hyperparameter_values(model: ModelConfig, train: TrainConfig) -> dict[str, Any]:
    """The value of each hyperparameter in two configurations, by its name."""
    sections = {"model": model, "train": train}
    return {name: getattr(sections[h.section], name) for name, h in HYPERPARAMETERS.items()}


def unsupported_by_jax(model: ModelConfig, train: TrainConfig) -> list[str]:
    """The hyperparameters that the JAX engine does not support but that are not at their default.

    Each as its section and name.

    >>> unsupported_by_jax(ModelConfig(), TrainConfig(flip=True))
    ['train.flip']
    """
    return [
        f"{HYPERPARAMETERS[name].section}.{name}"
        for name, value in hyperparameter_values(model, train).items()
        if HYPERPARAMETERS[name].jax == "unsupported"
        if value != HYPERPARAMETERS[name].field.default
    ]


def shown(value: object, digits: int = 4) -> str:
    """A hyperparameter's value in few characters: numbers with so many significant digits.

    >>> shown(0.123456), shown([32, 64]), shown("relu")
    ('0.1235', '32-64', 'relu')
    """
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    return "-".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
