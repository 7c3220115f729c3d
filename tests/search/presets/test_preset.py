"""A preset is validated whole, and knows what makes two studies comparable."""

from __future__ import annotations

import contextlib
import doctest
import string

import pytest
from hypothesis import given, settings, strategies as st

from search.presets import preset as module
from search.presets.files import PresetError, load_preset, parse_preset
from search.presets.preset import Preset
from tests.conftest import ROOT
from tests.search.presets.sentences import RANGE, RELU, sentence


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.toml")), ids=lambda p: p.stem)
def test_the_presets_that_come_with_it_search_in_budgets(path):
    preset = load_preset(str(path))
    assert preset.search is not None
    assert len(preset.budgets) > 1
    assert preset.budgets[-1] == preset.epochs


def test_the_papers_question():
    paper = load_preset(str(ROOT / "studies" / "paper.toml"))
    space = paper.space.dimensions()
    assert (space["learning_rate"].low, space["learning_rate"].high) == (0.15, 0.45)
    assert (space["dropout"].low, space["dropout"].high) == (0.0, 0.5)
    assert space["activation"].choices == ("sigmoid", "relu")
    assert [arm.name for arm in paper.arms][-1] == "relu + softmax"
    assert (paper.epochs, paper.sampler.name) == (10, "tpe")


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({"model": {}}, "space: this key is required"),
        ({"spce": 1, "space": RELU}, "spce: unknown key; remove it or correct its spelling"),
        ({"spacee": RELU}, "spacee: unknown key; remove it or correct its spelling"),
        ({"space": {}}, "space: nothing is searched; name at least one hyperparameter"),
        ({"space": RELU, "train": {"seed": 1}}, "train.seed: each trial has its own seed"),
    ],
)
def test_a_fault_is_one_sentence(tree, said):
    assert said in sentence(tree)


def test_the_identity_is_all_but_the_heartbeat_and_what_is_not_searched():
    preset = parse_preset({"space": RANGE, "workers": {"heartbeat": 5}}, "x.toml")
    assert preset.identity() == {
        "model": {},
        "train": {},
        "data": {"limit": None},
        "space": {
            "learning_rate": {"choices": None, "low": 0.1, "high": 0.2, "log": False, "step": None}
        },
        "sampler": {"name": "tpe"},
        "pruner": {"name": "successive_halving", "reduction_factor": 3},
        "workers": {"lag": None},
        "arms": [],
    }
    assert parse_preset(preset.identity(), "x.toml").identity() == preset.identity()


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


def test_the_examples_of_the_documentation():
    assert doctest.testmod(module) == (0, 3)
