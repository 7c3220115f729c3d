"""How long a search may take: the time that was given, and when it is up."""

from __future__ import annotations

import re
import time
from typing import NamedTuple

from fmnist_model.utils import Remedy, UserError

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
"""The seconds of each suffix."""


class TimeLimit(NamedTuple):
    """The time that one command may search.

    Attributes:
        seconds: How long it may take.
        deadline: When that is up, in seconds since 1970, by the clocks of all machines.
    """

    seconds: float
    deadline: float

    @classmethod
    def from_now(cls, seconds: float) -> TimeLimit:
        """A limit that begins now."""
        return cls(seconds, time.time() + seconds)

    @property
    def began(self) -> float:
        """When the limit began, in seconds since 1970."""
        return self.deadline - self.seconds

    @property
    def left(self) -> float:
        """The seconds that are left; less than 0 afterwards."""
        return self.deadline - time.time()


def parse_timeout(text: str) -> float:
    """The seconds that are meant by a number of seconds, or by one of minutes or hours.

    Raises UserError unless it is one that is greater than 0.

    >>> parse_timeout("90"), parse_timeout("60m"), parse_timeout("1.5h")
    (90.0, 3600.0, 5400.0)
    """
    found = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)([smh]?)", text.strip())
    seconds = float(found[1]) * UNITS[found[2]] if found else 0.0
    if seconds > 0:
        return seconds
    problem = "it is a time greater than 0, in seconds or as 60m or 1h"
    raise UserError(problem, Remedy.GIVE_TIME, timeout=text)
