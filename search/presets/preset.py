"""A preset: the question that a search answers, with what is fixed, what is searched, and how."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, GetPydanticSchema, model_validator

from fmnist_model.config import Frozen, TrainConfig
from fmnist_model.hyperparameters import SECTIONS
from search.presets.checks import (
    check_arms,
    check_budgets,
    check_prior,
    check_sampler,
    check_section,
)
from search.presets.dimension import SPACE, Space
from search.presets.objective import ObjectiveConfig
from search.presets.prior import PRIOR, Prior
from search.presets.sections import (
    Arm,
    DataConfig,
    PrunerConfig,
    SamplerConfig,
    SearchConfig,
    WorkersConfig,
    default_budgets,
)


class Preset(Frozen):
    """A whole question, as a TOML file writes it; see `search.presets.files.load_preset`.

    Raises pydantic's ValidationError where the parts do not go together;
    `search.presets.files.parse_preset` makes one sentence of it.

    Attributes:
        model: Fixed fields of `fmnist_model.config.ModelConfig`.
        train: Fixed fields of `fmnist_model.config.TrainConfig`, except the seed.
        data: Which part of the data is used.
        space: What is searched.
        search: In which budgets configurations are tried; None runs each of them in full, unless
            the pruner stops it.
        objective: What is wanted beside accuracy; None wants accuracy alone.
        sampler: Who proposes configurations.
        pruner: Who stops runs that are worse than their peers.
        workers: How trials that run side by side see each other.
        arms: Configurations that are tried first, in this order.
        prior: Where the best configurations probably are; None believes nothing.

    >>> preset = Preset.model_validate(
    ...     {
    ...         "train": {"epochs": 5},
    ...         "space": {"activation": ["relu", "tanh"], "dropout": {"low": 0, "high": 0.5}},
    ...         "arms": [{"name": "without dropout", "params": {"dropout": 0}}],
    ...     }
    ... )
    >>> preset.epochs
    5
    >>> preset.space.dimensions()["activation"].choices
    ('relu', 'tanh')
    """

    model: dict[str, Any] = Field(default_factory=dict)
    train: dict[str, Any] = Field(default_factory=dict)
    data: DataConfig = DataConfig()
    space: Annotated[Space, GetPydanticSchema(lambda _, handler: handler(SPACE))]
    search: SearchConfig | None = None
    objective: ObjectiveConfig | None = None
    sampler: SamplerConfig = SamplerConfig()
    pruner: PrunerConfig = PrunerConfig()
    workers: WorkersConfig = WorkersConfig()
    arms: tuple[Arm, ...] = ()
    prior: Annotated[Prior, GetPydanticSchema(lambda _, handler: handler(PRIOR))] | None = None

    @model_validator(mode="after")
    def _check_that_parts_agree(self) -> Preset:
        searched = self.space.dimensions()
        if not searched:
            raise ValueError("space: nothing is searched; name at least one hyperparameter")
        if "seed" in self.train:
            raise ValueError("train.seed: each trial has its own seed; give the study one instead")
        for section in SECTIONS:
            check_section(section, getattr(self, section), searched)
        check_arms(self.arms, self.sampler, searched)
        check_sampler(self.sampler, searched)
        if self.objective is not None and self.search is None:
            raise ValueError("objective: only a search in budgets has one; add a section [search]")
        if self.prior is not None:
            check_prior(self.prior, self.arms, self.sampler, searched)
            if self.search is None:
                raise ValueError("prior: is for a search in budgets; add [search] or remove it")
        if self.search is not None:
            pruned = "pruner" in self.model_fields_set and self.pruner.name != "none"
            check_budgets(self.search.budgets, self.epochs, pruned, self.workers.lag)
        return self

    @property
    def epochs(self) -> int:
        """Epochs of a run that is not stopped."""
        return int(TrainConfig(**self.train).epochs)

    @property
    def budgets(self) -> tuple[int, ...]:
        """The epochs of the runs that a configuration may get, the fewest first."""
        if self.search is None:
            return (self.epochs,)
        return self.search.budgets or default_budgets(self.epochs)

    def identity(self) -> dict[str, Any]:
        """All that makes trials comparable, as plain values: two presets that agree in it may
        share a study."""
        whole = self.model_dump(mode="json", exclude={"workers": {"heartbeat"}})
        whole["space"] = {name: dim for name, dim in whole["space"].items() if dim is not None}
        # What is not there is left out, as studies have stored it that are older than the section.
        if self.objective is None:
            del whole["objective"]
        if self.prior is None:
            del whole["prior"]
        else:
            whole["prior"] = {key: part for key, part in whole["prior"].items() if part}
        if self.search is None:
            del whole["search"]
        else:
            del whole["pruner"]
            whole["search"]["budgets"] = list(self.budgets)
        return whole
