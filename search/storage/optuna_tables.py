"""Optuna's tables, and how numbers and times are encoded in them.

Relies on the models of `optuna.storages._rdb.models` (Optuna 5.0.0, schema v3.2.0.a), which are
private to Optuna. The names of the columns are the schema's: before anything else is read,
`search.storage.schema.check_schema` compares the database's schema with that of this Optuna.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum
from typing import Any

from optuna.storages._rdb.models import (
    BaseModel,
    StudyModel,
    TrialHeartbeatModel,
    TrialIntermediateValueModel,
    TrialModel,
    TrialParamModel,
    TrialSystemAttributeModel,
    TrialUserAttributeModel,
    TrialValueModel,
)
from sqlalchemy import Engine, Table


def table_of(model: Any) -> Table:
    """The table behind a class of Optuna's models."""
    table: Table = model.__table__
    return table


STUDIES = table_of(StudyModel)
TRIALS = table_of(TrialModel)
PARAMS = table_of(TrialParamModel)
VALUES = table_of(TrialValueModel)
INTERMEDIATE_VALUES = table_of(TrialIntermediateValueModel)
HEARTBEATS = table_of(TrialHeartbeatModel)
USER_ATTRIBUTES = table_of(TrialUserAttributeModel)
SYSTEM_ATTRIBUTES = table_of(TrialSystemAttributeModel)


def create_missing_tables(engine: Engine) -> None:
    """Create those of Optuna's tables that the database lacks."""
    BaseModel.metadata.create_all(engine)


def encode_value(value: float) -> tuple[float | None, Enum]:
    """A trial's value as its columns `value` and `value_type` hold it: infinity has no number."""
    return TrialValueModel.value_to_stored_repr(value)


def decode_value(number: float | None, kind: Any) -> float:
    """The inverse of `encode_value`."""
    return TrialValueModel.stored_repr_to_value(number, kind)


def encode_intermediate_value(value: float) -> tuple[float | None, Enum]:
    """The same for `intermediate_value` and `intermediate_value_type`; NaN has no number either."""
    return TrialIntermediateValueModel.intermediate_value_to_stored_repr(value)


def decode_intermediate_value(number: float | None, kind: Any) -> float:
    """The inverse of `encode_intermediate_value`."""
    return TrialIntermediateValueModel.stored_repr_to_intermediate_value(number, kind)


def encode_time(time: datetime | None) -> datetime | None:
    """A local time as Optuna stores it: in UTC, both without a time zone."""
    return time.astimezone(UTC).replace(tzinfo=None) if time is not None else None


def decode_time(time: datetime | None) -> datetime | None:
    """The inverse of `encode_time`."""
    return time.replace(tzinfo=UTC).astimezone().replace(tzinfo=None) if time is not None else None
