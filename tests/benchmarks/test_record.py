"""What the benchmarks share: raw results that can be resumed, spreads, the stopwatch."""

from __future__ import annotations

import json
import time

import pytest
from rich.console import Console

from benchmarks.tools.record import (
    append_line,
    collected,
    load_rows,
    save_rows,
    spread,
    whole_lines,
)
from benchmarks.tools.stopwatch import Stopwatch


def test_rows_are_kept_with_the_machine_and_their_number(tmp_path):
    path = tmp_path / "rows.json"
    assert load_rows(path, {"images": 5}) == []
    save_rows(path, {"images": 5}, [{"a": 1}, {"a": 2}])
    stored = json.loads(path.read_text())
    assert stored["n"] == 2
    assert stored["machine"]["versions"]["optuna"]
    assert len(stored["machine"]["load"]) == 3
    assert load_rows(path, {"images": 5}) == [{"a": 1}, {"a": 2}]


def test_rows_of_other_settings_are_not_gone_on_with(tmp_path):
    save_rows(tmp_path / "rows.json", {"images": 5}, [{"a": 1}])
    assert load_rows(tmp_path / "rows.json", {"images": 6}) == []


def test_half_a_line_is_dropped(tmp_path):
    path = tmp_path / "new" / "rows.jsonl"
    assert whole_lines(path) == []
    append_line(path, {"a": 1})
    path.write_text(path.read_text() + '{"a": ')
    assert whole_lines(path) == ['{"a": 1}']
    append_line(path, {"a": 2})
    assert [json.loads(line)["a"] for line in whole_lines(path)] == [1, 2]


def test_the_spread_of_few_values_is_all_of_them():
    assert spread([1.0, 3.0]) == "1.00 3.00"
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0], ".1f") == "3.0 (1.5 to 4.5)"


class Work:
    def outer(self):
        time.sleep(0.02)
        self.inner()

    def inner(self):
        time.sleep(0.1)


def test_nested_time_counts_once():
    watch, work = Stopwatch(), Work()
    watch.watch(work, "inner", "inner")
    watch.watch(work, "outer", "outer")
    work.outer()
    taken = watch.lap()
    assert taken["inner"] > taken["outer"] > 0
    assert watch.lap() == {}


def _row(name: str, seed: int) -> dict[str, object]:
    if name == "bad":
        raise ZeroDivisionError
    return {"name": name, "seed": seed, "value": 10 * seed}


def test_rows_are_collected_once_and_kept_where_one_fails(tmp_path):
    def run(*tasks: tuple[str, int]) -> list[dict[str, object]]:
        return collected(Console(quiet=True), path, {"a": 1}, ("name", "seed"), tasks, _row, 1)

    path = tmp_path / "rows.json"
    assert [row["value"] for row in run(("x", 1), ("x", 2))] == [10, 20]
    save_rows(path, {"a": 1}, [{"name": "x", "seed": 1, "value": "kept"}])
    with pytest.raises(ZeroDivisionError):
        run(("x", 1), ("x", 3), ("bad", 0))
    assert [row["value"] for row in load_rows(path, {"a": 1})] == ["kept", 30]
