"""The hyperparameters are what the configurations' fields declare, and nothing else lists them."""

from __future__ import annotations

import doctest
from typing import Annotated, Literal, get_args, get_origin

import pytest
from pydantic import Field

from fmnist_model import hyperparameters
from fmnist_model.config import Frozen, ModelConfig, Searchable, TrainConfig
from fmnist_model.hyperparameters import (
    HYPERPARAMETERS,
    Hyperparameter,
    declared_in,
    hyperparameter_values,
    shown,
    unsupported_by_jax,
)
from tests.conftest import ROOT


def test_their_order_decides_what_samplers_draw():
    assert list(HYPERPARAMETERS) == [
        "architecture",
        "activation",
        "output_activation",
        "dropout",
        "filters",
        "kernel_size",
        "padding",
        "batch_normalization",
        "dense_units",
        "batch_size",
        "learning_rate",
        "momentum",
        "schedule",
        "weight_decay",
        "flip",
        "shift",
    ]


class Declared(Frozen):
    """A configuration with a field of each kind."""

    size: Annotated[int | None, Field(ge=2), Searchable("shared")] = None
    rate: Annotated[float, Field(gt=0), Searchable("per_slot", changes_step_cost=False)] = 0.5
    units: Annotated[tuple[int, ...], Searchable(range_type=int)] = ()
    kind: Annotated[Literal["a", "b"], Searchable()] = "a"
    switch: Annotated[bool, Searchable()] = False
    epochs: int = 3


def test_a_hyperparameter_is_read_from_its_field():
    found = {one.name: one for one in declared_in(Declared, "own")}
    assert {name: one.range_type for name, one in found.items()} == {
        "size": int,
        "rate": float,
        "units": int,
        "kind": None,
        "switch": None,
    }
    assert (found["size"].lowest, found["rate"].lowest) == (2, None)
    rate, size = found["rate"], found["size"]
    assert (rate.section, rate.jax, rate.changes_step_cost) == ("own", "per_slot", False)
    assert (size.section, size.jax, size.changes_step_cost) == ("own", "shared", True)


def test_a_hyperparameter_that_says_nothing_is_taken_to_be_as_bad_as_can_be():
    (kind,) = (one for one in declared_in(Declared, "own") if one.name == "kind")
    assert (kind.jax, kind.changes_step_cost) == ("unsupported", True)


def test_every_default_is_a_value():
    """So that "not at its default" means that something was asked for."""
    for one in HYPERPARAMETERS.values():
        assert not one.field.is_required(), one.name


def test_what_the_jax_engine_does_not_support_is_named_where_it_is_asked_for():
    assert unsupported_by_jax(ModelConfig(dropout=0.3), TrainConfig(batch_size=50)) == []
    asked = unsupported_by_jax(ModelConfig(batch_normalization=True), TrainConfig(shift=2))
    assert asked == ["model.batch_normalization", "train.shift"]


def test_the_values_of_two_configurations():
    values = hyperparameter_values(ModelConfig(dropout=0.3), TrainConfig(momentum=0.9))
    assert (values["dropout"], values["momentum"], values["filters"]) == (0.3, 0.9, (32, 64))
    assert list(values) == list(HYPERPARAMETERS)


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.123456, 4, "0.1235"),
        (0.123456, 3, "0.123"),
        (1e-05, 4, "1e-05"),
        (1024, 3, "1024"),
        ([32, 64], 4, "32-64"),
        ((32,), 4, "32"),
        ("32-64", 4, "32-64"),
        (True, 4, "True"),
    ],
)
def test_values_are_shown_in_few_characters(value, digits, text):
    assert shown(value, digits) == text


def test_the_examples_of_the_documentation():
    assert doctest.testmod(hyperparameters) == (0, 2)


PAGE = ROOT / "docs" / "presets.md"
HEAD = "| hyperparameter | type | allowed | default | JAX per slot | changes cost of a step |"
JAX = {"per_slot": "yes", "shared": "no, the same in all slots", "unsupported": "not supported"}


def table() -> list[str]:
    """The hyperparameters as the lines of a table in Markdown."""
    lines = [HEAD, "|---|---|---|---|---|---|"]
    for one in HYPERPARAMETERS.values():
        cells = [f"`{one.name}`", kind(one), allowed(one), default(one), JAX[one.jax]]
        lines.append(f"| {' | '.join(cells)} | {'yes' if one.changes_step_cost else 'no'} |")
    return lines


def kind(one: Hyperparameter) -> str:
    """Its type, in words."""
    annotation = one.field.annotation
    if get_origin(annotation) is tuple:
        return "whole number, or list of them" if one.whole else "list of whole numbers"
    if get_origin(annotation) is Literal:
        return "name"
    return {int: "whole number", float: "number", None: "true or false"}[one.range_type]


def allowed(one: Hyperparameter) -> str:
    """The values that its field allows, in words."""
    annotation = one.field.annotation
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{name}`" for name in get_args(annotation))
    if get_origin(annotation) is tuple:
        return f"each {bounds(get_args(get_args(annotation)[0])[1].metadata)}"
    return bounds(one.field.metadata) or "`true`, `false`"


def default(one: Hyperparameter) -> str:
    """What it is where nothing is given. The sizes of a network depend on its architecture."""
    value = one.field.default
    if value in (None, ()):
        return "that of the architecture"
    return f"`{str(value).lower()}`" if isinstance(value, str | bool) else f"{value:g}"


def sizes(architecture: str) -> str:
    """The row of an architecture in the table of its sizes."""
    model = ModelConfig(architecture=architecture)
    filters = f"`{list(model.filters)}`" if model.filters else "none"
    kernel = "none" if model.kernel_size is None else str(model.kernel_size)
    return f"| `{architecture}` | {filters} | {kernel} | `{list(model.dense_units)}` |"


def bounds(rules: list) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    said = [
        f"{sign} {getattr(rule, end):g}"
        for end, sign in signs.items()
        for rule in rules
        if hasattr(rule, end)
    ]
    return " and ".join(said)


def test_the_table_of_the_documentation_is_what_is_declared():
    assert "\n".join(table()) in PAGE.read_text()


@pytest.mark.parametrize("architecture", get_args(HYPERPARAMETERS["architecture"].field.annotation))
def test_the_documentation_says_which_sizes_an_architecture_has(architecture):
    assert sizes(architecture) in PAGE.read_text().splitlines()
