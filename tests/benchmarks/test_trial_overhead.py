"""The cost of a trial: a real trial of each kind, and what is made of their rows."""

from __future__ import annotations

import pytest

from benchmarks.tools.isolated import Isolated
from benchmarks.trial_overhead import growth, ours, settled, usual


@pytest.mark.parametrize("arm", [ours, pytest.param(usual, marks=pytest.mark.slow)])
def test_trials_are_made_and_their_cost_is_taken_apart(arm, tmp_path, everything):
    file = str(tmp_path / "studies.db")
    with Isolated() as process:
        first, second, third = process.call(arm, 2, file) + process.call(arm, 1, file)
    assert [row["trial"] for row in (first, second, third)] == [0, 1, 2]
    assert first["pid"] == third["pid"]
    for row in (first, second, third):
        assert 0 < row["fixed"] < row["whole"]
        assert row["mib"] > 100
        if arm is ours:
            assert sum(row["parts"].values()) < row["fixed"] * 1.01
            assert row["parts"]["database"] > 0
            assert row["parts"]["validate"] > 0


def rows(*networks, pid=1):
    return [
        {"arm": "ours", "network": name, "pid": pid, "mib": 100.0 + 2 * number}
        for number, name in enumerate(networks)
    ]


def test_the_first_trial_of_each_network_in_a_process_is_left_out():
    first, again = rows("a", "b", "a", "b"), rows("a", "a", pid=2)
    assert settled(first + again, "ours") == [*first[2:], again[1]]


def test_growth_is_that_of_the_last_process():
    assert growth(rows(*"aaaa"), "ours") == (2.0, 2)
    assert growth(rows(*"aaaaaa") + rows(*"aaaaaaaa", pid=2), "ours") == (2.0, 4)
    assert growth(rows(*"a" * 500), "ours") == (2.0, 100)
