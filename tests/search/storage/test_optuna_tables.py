"""Numbers and times as Optuna's tables hold them, there and back."""

from __future__ import annotations

import math
import time
from datetime import datetime

import pytest
from sqlalchemy import create_engine, inspect

from search.storage import optuna_tables as tables


@pytest.mark.parametrize("value", [0.0, -1.5, math.inf, -math.inf])
def test_a_value_there_and_back(value):
    number, kind = tables.encode_value(value)
    assert (number is None) == math.isinf(value)
    assert tables.decode_value(number, kind) == value
    assert tables.decode_intermediate_value(*tables.encode_intermediate_value(value)) == value


def test_nan_can_be_an_intermediate_value():
    number, kind = tables.encode_intermediate_value(math.nan)
    assert number is None
    assert math.isnan(tables.decode_intermediate_value(number, kind))


def test_times_are_stored_in_utc(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        local = datetime(2026, 1, 1, 8, 30)
        assert tables.encode_time(local) == datetime(2025, 12, 31, 23, 30)
        assert tables.decode_time(tables.encode_time(local)) == local
        assert tables.encode_time(None) is tables.decode_time(None) is None
    finally:
        monkeypatch.undo()
        time.tzset()


def test_missing_tables_are_created():
    engine = create_engine("sqlite://")
    tables.create_missing_tables(engine)
    tables.HEARTBEATS.drop(engine)
    tables.create_missing_tables(engine)
    assert tables.HEARTBEATS.name in inspect(engine).get_table_names()
