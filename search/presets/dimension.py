"""What a preset searches: a dimension for each searched hyperparameter, and the space of them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AllowInfNan, Field, create_model, model_validator

from fmnist_model.config import Frozen
from fmnist_model.hyperparameters import HYPERPARAMETERS

Number = Annotated[float, AllowInfNan(False)]


class Dimension(Frozen):
    """One searched hyperparameter: a list of choices, or a range from `low` to `high`.

    Attributes:
        choices: The values to choose from; None for a range.
        low: The lowest value of a range.
        high: The highest value of a range, which belongs to it.
        log: Whether a range is searched by its logarithm.
        step: The distance of neighbouring values in a range; None for all numbers in it.

    >>> Dimension.model_validate(["relu", "tanh"]).values()
    ('relu', 'tanh')
    >>> Dimension(low=0.01, high=1, log=True).values()
    (0.01, 1.0)
    """

    choices: tuple[Any, ...] | None = None
    low: Number | None = None
    high: Number | None = None
    log: bool = False
    step: Number | None = Field(None, gt=0)

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, given: Any) -> Any:
        if isinstance(given, list):
            return {"choices": given}
        if not isinstance(given, dict):
            raise ValueError(f"expected a list of choices or {{low, high}}, got {given!r}")
        return given

    @model_validator(mode="after")
    def _check(self) -> Dimension:
        if self.choices is not None:
            self._check_choices(self.choices)
        elif self.low is None or self.high is None:
            raise ValueError("a range needs both low and high")
        else:
            self._check_range(self.low, self.high)
        return self

    def _check_choices(self, choices: tuple[Any, ...]) -> None:
        if not choices:
            raise ValueError("the list of choices is empty; give at least one")
        if any(choices.index(c) != i for i, c in enumerate(choices)):
            raise ValueError("the list of choices names a choice twice")
        if (self.low, self.high, self.step, self.log) != (None, None, None, False):
            raise ValueError("choices go without low, high, log and step")

    def _check_range(self, low: float, high: float) -> None:
        if low > high:
            raise ValueError(f"low {low} is above high {high}")
        if self.log and low <= 0:
            raise ValueError(f"a logarithmic range starts above 0, got low = {low}")
        if self.log and self.step is not None:
            raise ValueError("a logarithmic range has no step")

    def values(self) -> tuple[Any, ...]:
        """The choices, or the two ends of the range."""
        return self.choices if self.choices is not None else (self.low, self.high)


class Space(Frozen):
    """The searched hyperparameters, by their names.

    This class has no fields of its own: a preset's space is a SPACE, which has one for each of
    `fmnist_model.hyperparameters.HYPERPARAMETERS`, a Dimension or None.
    """

    def dimensions(self) -> dict[str, Dimension]:
        """Those that are searched, by name, in the order of HYPERPARAMETERS."""
        return {name: value for name, value in self if value is not None}


_FIELDS: dict[str, Any] = dict.fromkeys(HYPERPARAMETERS, (Dimension | None, None))
SPACE: type[Space] = create_model("SPACE", __base__=Space, **_FIELDS)
"""The class of spaces, with a field for each hyperparameter; by its own name pickle finds it."""
