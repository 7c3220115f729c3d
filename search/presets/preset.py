"""A preset is a TOML file that names the question: what is fixed, what is searched, and how."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AllowInfNan,
    Field,
    ValidationError,
    model_validator,
)

from fmnist_model.config import Frozen, ModelConfig, TrainConfig
from fmnist_model.utils.errors import UserError, validation_sentence

STUDIES = Path("studies")
STUDY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

Number = Annotated[float, AllowInfNan(False)]
WHOLE_NUMBERS = {"batch_size", "kernel_size", "dense_units", "shift"}
RANGES = WHOLE_NUMBERS | {"dropout", "learning_rate", "momentum", "weight_decay"}


class PresetError(UserError):
    """A preset cannot be used: the message names the file, the key's path and the fault."""


class Dimension(Frozen):
    """One searched hyperparameter: a list of choices, or a range from `low` to `high`."""

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
            if not self.choices:
                raise ValueError("the list of choices is empty; give at least one")
            if any(self.choices.index(c) != i for i, c in enumerate(self.choices)):
                raise ValueError("the list of choices names a choice twice")
            if (self.low, self.high, self.step, self.log) != (None, None, None, False):
                raise ValueError("choices go without low, high, log and step")
            return self
        if self.low is None or self.high is None:
            raise ValueError("a range needs both low and high")
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range starts above 0, got low = {self.low}")
        if self.log and self.step is not None:
            raise ValueError("a logarithmic range has no step")
        return self

    def values(self) -> tuple[Any, ...]:
        """The choices, or the two ends of the range."""
        return self.choices if self.choices is not None else (self.low, self.high)


class Space(Frozen):
    """The searched hyperparameters: fields of ModelConfig and TrainConfig, by their names."""

    architecture: Dimension | None = None
    activation: Dimension | None = None
    output_activation: Dimension | None = None
    dropout: Dimension | None = None
    filters: Dimension | None = None
    kernel_size: Dimension | None = None
    padding: Dimension | None = None
    batch_normalization: Dimension | None = None
    dense_units: Dimension | None = None
    batch_size: Dimension | None = None
    learning_rate: Dimension | None = None
    momentum: Dimension | None = None
    schedule: Dimension | None = None
    weight_decay: Dimension | None = None
    flip: Dimension | None = None
    shift: Dimension | None = None

    def dimensions(self) -> dict[str, Dimension]:
        """Those that are searched, by name, in the order above."""
        return {name: value for name, value in self if value is not None}


def config_of(name: str) -> type[ModelConfig] | type[TrainConfig]:
    """Which of the two configurations a hyperparameter belongs to."""
    return ModelConfig if name in ModelConfig.model_fields else TrainConfig


def _check_dimension(name: str, dimension: Dimension, fixed: dict[str, Any]) -> None:
    if dimension.choices is None:
        if name not in RANGES:
            raise ValueError(f"space.{name}: expected a list of choices, not a range")
        for value in (*dimension.values(), dimension.step or 1):
            if name in WHOLE_NUMBERS and value != int(value):
                raise ValueError(f"space.{name}: expected whole numbers, got {value!r}")
    for value in dimension.values():
        whole = dimension.choices is None and name in WHOLE_NUMBERS
        _check_config(config_of(name), {**fixed, name: int(value) if whole else value}, "space")


def _check_config(config: Any, given: dict[str, Any], section: str) -> None:
    try:
        config(**given)
    except ValidationError as error:
        raise ValueError(validation_sentence(error, section).replace(": ", ".", 1)) from None


class DataConfig(Frozen):
    """Which part of the data: `limit` keeps so many of the training images (None: all)."""

    limit: int | None = Field(None, ge=10)


class SamplerConfig(Frozen):
    """Who proposes configurations: one of Optuna's samplers."""

    name: Literal["tpe", "random", "grid", "qmc", "cmaes", "gp"] = "tpe"


class PrunerConfig(Frozen):
    """Who stops runs that are worse than their peers: one of Optuna's pruners.

    `reduction_factor` is that of hyperband and successive_halving.
    """

    name: Literal["successive_halving", "hyperband", "median", "none"] = "successive_halving"
    reduction_factor: int = Field(3, ge=2)


class WorkersConfig(Frozen):
    """How trials that run side by side see each other.

    With `lag` trial n is sampled and pruned by what trials 0 to n - lag showed alone, all of which
    have ended by then: the study is then the same with any number of workers. A worker that has
    not been heard of for two `heartbeat` intervals (seconds) loses its trial to another.
    """

    lag: int | None = Field(None, ge=1)
    heartbeat: int = Field(60, ge=1)


class Arm(Frozen):
    """A named configuration that is tried before the sampler begins; what it leaves out is
    sampled."""

    name: str
    params: dict[str, Any]


class Preset(Frozen):
    """A whole question: fixed parts, the space, the arms tried first, sampler and pruner."""

    model: dict[str, Any] = Field(default_factory=dict)
    train: dict[str, Any] = Field(default_factory=dict)
    data: DataConfig = DataConfig()
    space: Space
    sampler: SamplerConfig = SamplerConfig()
    pruner: PrunerConfig = PrunerConfig()
    workers: WorkersConfig = WorkersConfig()
    arms: tuple[Arm, ...] = ()

    @model_validator(mode="after")
    def _check_together(self) -> Preset:
        searched = self.space.dimensions()
        if not searched:
            raise ValueError("space: nothing is searched; name at least one hyperparameter")
        if "seed" in self.train:
            raise ValueError("train.seed: each trial has its own seed; give SEED= instead")
        for section, config in (("model", ModelConfig), ("train", TrainConfig)):
            fixed: dict[str, Any] = getattr(self, section)
            _check_config(config, fixed, section)
            for name, dimension in searched.items():
                if config_of(name) is config:
                    if name in fixed:
                        raise ValueError(f"{section}.{name}: is also in space.{name}; keep one")
                    _check_dimension(name, dimension, fixed)
        if len({arm.name for arm in self.arms}) < len(self.arms):
            raise ValueError("arms: two arms have the same name")
        for arm in self.arms:
            _check_arm(arm, searched)
            missing = [name for name in searched if name not in arm.params]
            if self.sampler.name == "grid" and missing:
                raise ValueError(
                    f"arms.{arm.name}: the sampler grid fills nothing in; give {missing[0]}, too"
                )
        _check_sampler(self.sampler.name, searched)
        return self

    @property
    def epochs(self) -> int:
        """Epochs of a run that is not stopped."""
        return int(TrainConfig(**self.train).epochs)

    def identity(self) -> dict[str, Any]:
        """All that makes trials comparable, as plain values: two presets that agree in it may
        share a study."""
        whole = self.model_dump(mode="json", exclude={"workers": {"heartbeat"}})
        whole["space"] = {name: dim for name, dim in whole["space"].items() if dim is not None}
        return whole


def _check_arm(arm: Arm, searched: dict[str, Dimension]) -> None:
    for key, value in arm.params.items():
        where = f"arms.{arm.name}.{key}"
        if key not in searched:
            raise ValueError(f"{where}: not in the space; search it or remove it here")
        dimension = searched[key]
        if dimension.choices is not None:
            if value not in dimension.choices:
                raise ValueError(f"{where}: {value!r} is not among the choices in space.{key}")
        else:
            _check_in_range(where, key, value, dimension)


def _check_in_range(where: str, key: str, value: Any, dimension: Dimension) -> None:
    assert dimension.low is not None
    assert dimension.high is not None
    if not isinstance(value, int | float) or not dimension.low <= value <= dimension.high:
        raise ValueError(
            f"{where}: {value!r} is outside {dimension.low} to {dimension.high} of space.{key}"
        )
    if key in WHOLE_NUMBERS and value != int(value):
        raise ValueError(f"{where}: expected a whole number, got {value!r}")
    steps = (value - dimension.low) / (dimension.step or value or 1)
    if dimension.step is not None and abs(steps - round(steps)) > 1e-6:
        raise ValueError(
            f"{where}: {value!r} is not {dimension.low} and a number of steps of {dimension.step}"
        )


def _check_sampler(sampler: str, searched: dict[str, Dimension]) -> None:
    for name, dimension in searched.items():
        if sampler == "grid" and dimension.choices is None and dimension.step is None:
            raise ValueError(
                f"sampler.name: grid needs choices or a step everywhere; space.{name} has neither"
            )
        if sampler == "cmaes" and dimension.choices is not None:
            raise ValueError(
                f"sampler.name: cmaes needs ranges only, but space.{name} is a list of choices; "
                f"take tpe, qmc or gp"
            )


def preset_path(study: str) -> Path:
    """The preset's file: `study` is a name in studies/ or the path of a TOML file."""
    return Path(study) if study.endswith(".toml") else STUDIES / f"{study}.toml"


def load_preset(study: str) -> Preset:
    """Read and validate a preset; raise PresetError with one sentence about the first fault."""
    path = preset_path(study)
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in STUDIES.glob("*.toml"))) or "none"
        raise PresetError(f"{path}: no such preset; STUDY= takes one of {known}, or a .toml file")
    try:
        return parse_preset(tomllib.loads(path.read_text(encoding="utf-8")), str(path))
    except tomllib.TOMLDecodeError as error:
        raise PresetError(f"{path}: not valid TOML: {error}") from error
    except UnicodeDecodeError as error:
        raise PresetError(f"{path}: not UTF-8 text: {error.reason}") from error
    except OSError as error:
        raise PresetError(f"{path}: cannot be read: {error.strerror}") from error


def parse_preset(tree: dict[str, Any], source: str) -> Preset:
    """Validate the tree of a preset that came from `source`."""
    try:
        return Preset.model_validate(tree)
    except ValidationError as error:
        raise PresetError(validation_sentence(error, source)) from None


def study_name(study: str, name: str | None) -> str:
    """The study's name: `name` where it is given, else the preset's; raise where it is unsafe."""
    chosen = name if name is not None else preset_path(study).stem
    if not STUDY_NAME.fullmatch(chosen):
        raise PresetError(
            f"study name {chosen!r}: take up to 100 letters, digits, dots, dashes and underscores, "
            f"beginning with a letter or digit"
        )
    return chosen
