"""An exported configuration: what a TOML file holds that the final evaluation retrains."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from fmnist_model.config import Frozen, ModelConfig, TrainConfig
from fmnist_model.utils import Remedy, UserError, validation_sentence


class ConfigurationError(UserError):
    """The file of a configuration cannot be read or does not hold one."""


class DataSection(Frozen):
    """Which data the configuration was found on."""

    sha256: str | None = None
    limit: int | None = Field(None, ge=10)


class ExportedConfig(Frozen):
    """What an exported TOML file holds; `provenance` is passed on as it is."""

    model: ModelConfig
    train: TrainConfig
    data: DataSection = DataSection()
    provenance: dict[str, Any] = Field(default_factory=dict)


def read_exported_config(path: Path) -> ExportedConfig:
    """Read an exported configuration; ConfigurationError has one sentence if it is faulty."""
    try:
        return ExportedConfig.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: no such file", Remedy.EXPORT_FIRST) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from error
    except ValidationError as error:
        raise ConfigurationError(validation_sentence(error, str(path))) from None
