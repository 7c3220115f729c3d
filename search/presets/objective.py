"""What a search wants beside accuracy: what it keeps small, what it demands, what it exports."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

from pydantic import field_validator, model_validator

from fmnist_model.config import Frozen

Measure = Literal["parameters", "train_seconds", "latency_ms"]
"""What can be kept small: the trainable weights of the network, the seconds of a run's training,
the median milliseconds of a forward pass of one image."""
ExportRule = Literal["best", "one_standard_error"]
"""Which configuration is exported. "best": the most accurate. "one_standard_error": the smallest on
the Pareto front that is at most one standard error less accurate than that (the rule of Breiman et
al., Classification and Regression Trees, 1984, section 3.4.3)."""

MEASURES: tuple[Measure, ...] = get_args(Measure)
UNITS: Mapping[Measure, str] = {
    "parameters": "weights",
    "train_seconds": "s of training",
    "latency_ms": "ms an image",
}
"""What a number of each measure counts."""
_CONSTRAINT = re.compile(r"\s*(\w+)\s*(<=|<)\s*(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)\s*")
_COMPARISONS = {"<=": operator.le, "<": operator.lt}


class Constraint(NamedTuple):
    """An upper limit of a measure.

    >>> Constraint.parse("parameters <= 1e5")
    Constraint(measure='parameters', comparison='<=', limit=100000.0)
    >>> str(Constraint.parse("latency_ms<2.5"))
    'latency_ms < 2.5'
    """

    measure: Measure
    comparison: str
    limit: float

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """Read a measure, <= or <, and a number; raise ValueError for anything else."""
        found = _CONSTRAINT.fullmatch(text)
        measure = next((one for one in MEASURES if found and found[1] == one), None)
        if found is None or measure is None:
            raise ValueError(
                f"expected one of {', '.join(MEASURES)}, then <= or <, then a number, got {text!r}"
            )
        return cls(measure, found[2], float(found[3]))

    def __str__(self) -> str:
        limit = int(self.limit) if self.limit.is_integer() else self.limit
        return f"{self.measure} {self.comparison} {limit}"

    def is_violated(self, measured: Mapping[str, float]) -> bool:
        """Is it known to be violated? What has not been measured yet violates nothing."""
        value = measured.get(self.measure)
        return value is not None and not _COMPARISONS[self.comparison](value, self.limit)


class ObjectiveConfig(Frozen):
    """What a search in budgets wants of a configuration beside its accuracy.

    Attributes:
        minimize: What is to be small. A configuration is on the Pareto front if no other is at
            least as good in accuracy and all of these, and better in one.
        constraints: Upper limits, such as "parameters <= 100000". What violates one is never the
            best.
        export: Which configuration is exported.

    >>> ObjectiveConfig(constraints=["parameters<=100000"]).constraints
    ('parameters <= 100000',)
    """

    minimize: tuple[Measure, ...] = ()
    constraints: tuple[str, ...] = ()
    export: ExportRule = "best"

    @field_validator("constraints")
    @classmethod
    def _as_shown(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(Constraint.parse(text)) for text in given)

    @model_validator(mode="after")
    def _check(self) -> ObjectiveConfig:
        if len(set(self.minimize)) < len(self.minimize):
            raise ValueError(f"minimize: {', '.join(self.minimize)} names a measure twice")
        if not self.minimize and not self.constraints:
            raise ValueError("give minimize or constraints; accuracy alone needs no such section")
        return self

    @property
    def limits(self) -> list[Constraint]:
        """The constraints."""
        return [Constraint.parse(text) for text in self.constraints]

    def is_violated(self, measured: Mapping[str, float]) -> bool:
        """Is any constraint known to be violated by a configuration with these measures?"""
        return any(limit.is_violated(measured) for limit in self.limits)

    def needs(self, measure: Measure) -> bool:
        """Does the search have to know this measure?"""
        return measure in self.minimize or any(one.measure == measure for one in self.limits)
