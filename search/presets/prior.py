"""What a preset believes: values and arms that the best configurations are probably near."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, create_model, model_validator

from fmnist_model.config import Frozen
from fmnist_model.hyperparameters import HYPERPARAMETERS
from search.presets.dimension import Dimension

SPREAD = 0.15
"""How far from a believed number others are drawn, as a share of the range on its own scale: the
standard deviation of a normal distribution."""


class Belief(Frozen):
    """Where the best values of one hyperparameter probably are.

    Attributes:
        near: A number in the range, or one choice or a list of several.
        spread: How far from a number others are drawn, see `SPREAD`, which None stands for.

    >>> Belief.model_validate(0.1)
    Belief(near=0.1, spread=None)
    >>> Belief(near=["relu", "gelu"]).choices(Dimension(choices=("relu", "tanh", "gelu")))
    ('relu', 'gelu')
    """

    near: Any
    spread: Annotated[float, Field(gt=0, le=1)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_value(cls, given: Any) -> Any:
        return given if isinstance(given, dict) else {"near": given}

    def choices(self, dimension: Dimension) -> tuple[Any, ...]:
        """The believed choices. A list that is a choice itself, as of filters, is a single one."""
        several = isinstance(self.near, list | tuple) and self.near not in (dimension.choices or ())
        return tuple(self.near) if several else (self.near,)


class Prior(Frozen):
    """A section `[prior]`: beliefs, by the names of the hyperparameters, and arms.

    As with `search.presets.dimension.Space`, a preset's own is a PRIOR, which has a field for each
    hyperparameter, a Belief or None.

    Attributes:
        arms: The names of arms that the best configurations are probably near.
    """

    arms: tuple[str, ...] = ()

    def beliefs(self) -> dict[str, Belief]:
        """What is believed of hyperparameters, in the order of HYPERPARAMETERS."""
        return {name: value for name, value in self if isinstance(value, Belief)}


_FIELDS: dict[str, Any] = dict.fromkeys(HYPERPARAMETERS, (Belief | None, None))
PRIOR: type[Prior] = create_model("PRIOR", __base__=Prior, **_FIELDS)
"""The class of priors, with a field for each hyperparameter; by its own name pickle finds it."""
