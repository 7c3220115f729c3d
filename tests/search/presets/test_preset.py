"""Presets are validated whole, and a fault is one sentence with the key's path."""

from __future__ import annotations

import contextlib
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import IntDistribution

from search.presets.preset import Preset, PresetError, load_preset, parse_preset, study_name
from search.presets.search_space import configurations, distributions
from tests.conftest import ROOT

RELU = {"activation": ["relu"]}
RANGE = {"learning_rate": {"low": 0.1, "high": 0.2}}


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.toml")), ids=lambda p: p.stem)
def test_the_presets_that_come_with_it_are_valid(path):
    assert isinstance(load_preset(str(path)), Preset)


def test_the_papers_question():
    paper = load_preset(str(ROOT / "studies" / "paper.toml"))
    space = paper.space.dimensions()
    assert (space["learning_rate"].low, space["learning_rate"].high) == (0.15, 0.45)
    assert (space["dropout"].low, space["dropout"].high) == (0.0, 0.5)
    assert space["activation"].choices == ("sigmoid", "relu")
    assert [arm.name for arm in paper.arms][-1] == "relu + softmax"
    assert (paper.epochs, paper.sampler.name, paper.pruner.name) == (
        10,
        "tpe",
        "successive_halving",
    )


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({"model": {}}, "space: this key is required"),
        ({"spce": 1, "space": RELU}, "spce: unknown key; remove it or correct its spelling"),
        ({"space": {}}, "space: nothing is searched; name at least one hyperparameter"),
        ({"space": {"lr": [0.1]}}, "space.lr: unknown key"),
        ({"space": {"activation": []}}, "space.activation: the list of choices is empty"),
        ({"space": {"activation": ["rely"]}}, "space.activation: input should be 'sigmoid'"),
        ({"space": {"activation": ["relu", "relu"]}}, "names a choice twice"),
        (
            {"space": {"activation": "relu"}},
            "expected a list of choices or {low, high}, got 'relu'",
        ),
        (
            {"space": {"activation": {"low": 1, "high": 2}}},
            "expected a list of choices, not a range",
        ),
        ({"space": {"learning_rate": {"low": 0.3}}}, "a range needs both low and high"),
        ({"space": {"learning_rate": {"low": 0.3, "high": 0.2}}}, "low 0.3 is above high 0.2"),
        (
            {"space": {"learning_rate": {"low": 0, "high": 1}}},
            "space.learning_rate: input should be",
        ),
        ({"space": {"learning_rate": [0.1, -1]}}, "greater than 0, got -1"),
        ({"space": {"learning_rate": {"low": "a", "high": 1}}}, "space.learning_rate.low"),
        (
            {"space": {"learning_rate": {"low": 0.1, "high": float("inf")}}},
            "finite number, got inf",
        ),
        ({"space": {"learning_rate": {"low": 1, "high": 2, "step": 0}}}, "learning_rate.step"),
        ({"space": {"dropout": {"low": 0, "high": 0.5, "log": True}}}, "logarithmic range starts"),
        (
            {"space": {"dropout": {"low": 0, "high": 1}}},
            "space.dropout: input should be less than 1",
        ),
        ({"space": {"batch_size": {"low": 1.5, "high": 9}}}, "expected whole numbers, got 1.5"),
        ({"space": {"filters": [[8, 0]]}}, "space.filters.1: input should be greater than"),
        ({"space": RELU, "model": {"droput": 0.1}}, "model.droput: unknown key"),
        ({"space": RELU, "model": {"activation": "tanh"}}, "is also in space.activation; keep one"),
        ({"space": RELU, "train": {"epochs": 0}}, "train.epochs: input should be greater than"),
        ({"space": RELU, "train": {"seed": 1}}, "train.seed: each trial has its own seed"),
        ({"space": RELU, "data": {"limit": 3}}, "data.limit: input should be greater than"),
        ({"space": RELU, "sampler": {"name": "cma"}}, "sampler.name: input should be 'tpe'"),
        ({"space": RANGE, "sampler": {"name": "grid"}}, "grid needs choices or a step everywhere"),
        ({"space": RELU, "sampler": {"name": "cmaes"}}, "cmaes needs ranges only"),
        ({"space": RELU, "pruner": {"reduction_factor": 1}}, "pruner.reduction_factor: input"),
        (
            {"space": RELU, "arms": [{"name": "a", "params": {"dropout": 0}}]},
            "arms.a.dropout: not in",
        ),
        ({"space": RELU, "arms": [{"name": "a", "params": {"activation": "elu"}}]}, "not among"),
        (
            {"space": RANGE, "arms": [{"name": "a", "params": {"learning_rate": 9}}]},
            "is outside 0.1",
        ),
        ({"space": RELU, "arms": [{"name": "a", "params": {}}] * 2}, "two arms have the same name"),
        ({"spacee": RELU}, "spacee: unknown key; remove it or correct its spelling"),
        (
            {"space": RELU, "model": {"architecture": ["cnn"]}},
            "model.architecture: input should be",
        ),
        ({"space": {"learning_rate": {"low": "a", "high": 1}}}, "space.learning_rate.low: input"),
        ({"space": {"filters": [16, 32]}}, "space.filters: input should be a list, got 16"),
        (
            {
                "space": {"batch_size": {"low": 10, "high": 99}},
                "arms": [{"name": "a", "params": {"batch_size": 10.5}}],
            },
            "arms.a.batch_size: expected a whole number, got 10.5",
        ),
        (
            {
                "space": {"momentum": {"low": 0, "high": 0.9, "step": 0.1}},
                "arms": [{"name": "a", "params": {"momentum": 0.25}}],
            },
            "0.25 is not 0.0 and a number of steps of 0.1",
        ),
        (
            {
                "space": RELU | {"batch_size": [10, 20]},
                "sampler": {"name": "grid"},
                "arms": [{"name": "a", "params": {"activation": "relu"}}],
            },
            "arms.a: the sampler grid fills nothing in; give batch_size, too",
        ),
    ],
)
def test_a_fault_is_one_sentence(tree, said):
    with pytest.raises(PresetError) as caught:
        parse_preset(tree, "x.toml")
    message = str(caught.value)
    assert message.startswith("x.toml: ")
    assert said in message
    assert "\n" not in message


@pytest.mark.parametrize("name", ["dense_units", "kernel_size", "batch_size"])
def test_whole_numbers_are_searched_as_ranges_too(name):
    preset = parse_preset({"space": {name: {"low": 2, "high": 6, "step": 2}}}, "x.toml")
    assert distributions(preset) == {name: IntDistribution(2, 6, step=2)}
    model, train = configurations(preset, {name: 4}, seed=1)
    assert {"dense_units": (4,)}.get(name, 4) == getattr(train, name, getattr(model, name, None))


def test_a_missing_preset_lists_those_there_are(project):
    with pytest.raises(PresetError, match="no such preset; STUDY= takes one of paper, smoke, wide"):
        load_preset("papr")


@pytest.mark.parametrize(
    ("content", "said"), [(b"[space", "not valid TOML"), (b"\xff\xfe", "not UTF-8 text")]
)
def test_a_file_that_is_no_toml(project, content, said):
    Path("studies/x.toml").write_bytes(content)
    with pytest.raises(PresetError, match=said):
        load_preset("x")


@pytest.mark.parametrize(
    "name", ["../up", "a/b", "", ".hidden", "a b", "x" * 101, "<script>", "a\n"]
)
def test_an_unsafe_study_name_is_refused(name):
    with pytest.raises(PresetError, match="take up to 100 letters, digits"):
        study_name("paper", name)


def test_a_study_is_named_after_its_preset():
    assert study_name("paper", None) == study_name("elsewhere/paper.toml", None) == "paper"


KEYS = ["model", "train", "data", "space", "sampler", "pruner", "arms", "name", "activation"]
KEYS += ["learning_rate", "low", "high", "step", "log", "limit", "filters", "params", "choices"]
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["relu", "grid"])
TREES = st.recursive(
    LEAVES | st.text(string.printable, max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=500, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), TREES, max_size=5))
def test_any_tree_is_a_preset_or_one_sentence(tree):
    with contextlib.suppress(PresetError):
        assert isinstance(parse_preset(tree, "x.toml"), Preset)
