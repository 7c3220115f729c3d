"""The section on further objectives: what it takes, and what it is answered with."""

from __future__ import annotations

import doctest

import pytest

from search.presets import objective as module
from search.presets.files import parse_preset
from search.presets.objective import Constraint, ObjectiveConfig
from tests.search.presets.sentences import RELU, sentence

IN_BUDGETS = {"space": RELU, "search": {}}


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({}, "objective: give minimize or constraints; accuracy alone needs no such section"),
        ({"minimize": ["size"]}, "objective.minimize.0: input should be 'parameters', 'train_"),
        ({"minimize": ["parameters"] * 2}, "minimize: parameters, parameters names a measure"),
        ({"minimise": ["parameters"]}, "objective.minimise: unknown key"),
        ({"constraints": [3]}, "objective.constraints.0: input should be a valid string, got 3"),
        ({"minimize": ["parameters"], "export": "least"}, "objective.export: input should be"),
    ],
)
def test_a_fault_is_one_sentence(section, said):
    assert said in sentence({**IN_BUDGETS, "objective": section})


@pytest.mark.parametrize(
    "text",
    [
        "accuracy <= 3",
        "parameters >= 3",
        "parameters <= -3",
        "parameters <= many",
        "parameters <= 3 or so",
        "parameters = 3",
        "parameters <= 1e",
        "",
    ],
)
def test_a_constraint_is_a_name_a_comparison_and_a_number(text):
    said = (
        "objective.constraints: expected one of parameters, train_seconds, latency_ms, then <= or"
    )
    message = sentence({**IN_BUDGETS, "objective": {"constraints": [text]}})
    assert said in message
    assert message.endswith(f"got {text!r}")


def test_it_needs_budgets():
    said = "objective: only a search in budgets has one; add a section [search]"
    assert said in sentence({"space": RELU, "objective": {"minimize": ["parameters"]}})


@pytest.mark.parametrize(
    ("text", "value", "violated"),
    [
        ("parameters <= 100", 100, False),
        ("parameters < 100", 100, True),
        ("parameters <= 1e2", 101, True),
        ("latency_ms < 2.5", None, False),  # not known yet
    ],
)
def test_when_a_constraint_is_violated(text, value, violated):
    constraint = Constraint.parse(text)
    measured = {} if value is None else {constraint.measure: value}
    assert constraint.is_violated(measured) == violated
    assert ObjectiveConfig(constraints=(text,)).is_violated(measured) == violated


def test_only_what_is_named_has_to_be_measured():
    made = ObjectiveConfig(minimize=("parameters",), constraints=("latency_ms <= 3",))
    assert made.needs("parameters")
    assert made.needs("latency_ms")
    assert not made.needs("train_seconds")


def test_it_belongs_to_the_identity_of_a_study_only_where_there_is_one():
    plain = parse_preset(IN_BUDGETS, "x.toml")
    assert "objective" not in plain.identity()
    tree = {**IN_BUDGETS, "objective": {"constraints": ["parameters<=1e5"]}}
    identity = parse_preset(tree, "x.toml").identity()
    assert identity["objective"] == {
        "minimize": [],
        "constraints": ["parameters <= 100000"],
        "export": "best",
    }
    assert parse_preset(identity, "x.toml").identity() == identity


def test_the_examples_of_the_documentation():
    assert doctest.testmod(module) == (0, 3)
