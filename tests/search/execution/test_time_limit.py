"""How long a search may take: what is given, and what is left."""

from __future__ import annotations

import time

import pytest

from fmnist_model.utils.errors import UserError
from search.execution.time_limit import TimeLimit, parse_timeout


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), (".5", 0.5), ("60m", 3600), ("1.5h", 5400)]
)
def test_a_time_is_a_number_of_seconds_or_has_a_unit(text, seconds):
    assert parse_timeout(text) == seconds


@pytest.mark.parametrize("text", ["0", "0m", "-3", "1d", "an hour", "", "inf", "1h30m"])
def test_what_is_no_time_is_said_with_an_example(text):
    with pytest.raises(UserError, match="in seconds or as 60m or 1h"):
        parse_timeout(text)


def test_a_limit_begins_now_and_is_up_some_time():
    limit = TimeLimit.from_now(100)
    assert 99 < limit.left <= 100
    assert limit.began == pytest.approx(time.time(), abs=1)
    assert TimeLimit(100, time.time() - 5).left < 0
