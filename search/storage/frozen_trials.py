"""Rows of Optuna's tables put together into Optuna's frozen trials."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.trial import FrozenTrial
from sqlalchemy import Connection, Row, Select, Table, bindparam, select

from search.storage.optuna_tables import (
    INTERMEDIATE_VALUES,
    PARAMS,
    SYSTEM_ATTRIBUTES,
    USER_ATTRIBUTES,
    VALUES,
    decode_intermediate_value,
    decode_time,
    decode_value,
)

TRIALS_PER_STATEMENT = 500
"""Rows that belong to trials are read for this many trials at once: databases limit the number of a
statement's parameters."""


def _rows_of_trials(table: Table) -> Select[Any]:
    """Selects the rows of a table that belong to some trials, in the order of their keys."""
    ids: Any = bindparam("ids", expanding=True)
    (key,) = table.primary_key
    return select(table).where(table.c.trial_id.in_(ids)).order_by(key)


_PARTS = {
    "params": _rows_of_trials(PARAMS),
    "values": _rows_of_trials(VALUES),
    "intermediate_values": _rows_of_trials(INTERMEDIATE_VALUES),
    "user_attrs": _rows_of_trials(USER_ATTRIBUTES),
    "system_attrs": _rows_of_trials(SYSTEM_ATTRIBUTES),
}


def read_trials(connection: Connection, rows: Sequence[Row[Any]]) -> list[FrozenTrial]:
    """The trials whose rows of the table `trials` are given, with all that belongs to them.

    Their states have been read first: a trial that had ended by then is complete in the result.
    """
    trials: list[FrozenTrial] = []
    for first in range(0, len(rows), TRIALS_PER_STATEMENT):
        chunk = rows[first : first + TRIALS_PER_STATEMENT]
        ids = {"ids": [row.trial_id for row in chunk]}
        parts = {
            name: _by_trial(connection.execute(statement, ids))
            for name, statement in _PARTS.items()
        }
        trials += [
            _frozen_trial(row, {name: found[row.trial_id] for name, found in parts.items()})
            for row in chunk
        ]
    return trials


def _by_trial(rows: Iterable[Row[Any]]) -> defaultdict[int, list[Row[Any]]]:
    found: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        found[row.trial_id].append(row)
    return found


def _frozen_trial(row: Row[Any], parts: Mapping[str, list[Row[Any]]]) -> FrozenTrial:
    distributions = {
        part.param_name: _distribution(part.distribution_json) for part in parts["params"]
    }
    values = [
        decode_value(part.value, part.value_type)
        for part in sorted(parts["values"], key=lambda part: part.objective)
    ]
    return FrozenTrial(
        number=row.number,
        state=row.state,
        value=None,
        values=values or None,
        datetime_start=decode_time(row.datetime_start),
        datetime_complete=decode_time(row.datetime_complete),
        params={
            part.param_name: distributions[part.param_name].to_external_repr(part.param_value)
            for part in parts["params"]
        },
        distributions=distributions,
        user_attrs={part.key: json.loads(part.value_json) for part in parts["user_attrs"]},
        system_attrs={part.key: json.loads(part.value_json) for part in parts["system_attrs"]},
        intermediate_values={
            part.step: decode_intermediate_value(
                part.intermediate_value, part.intermediate_value_type
            )
            for part in parts["intermediate_values"]
        },
        trial_id=row.trial_id,
    )


@lru_cache(maxsize=1024)
def _distribution(text: str) -> BaseDistribution:
    return json_to_distribution(text)
