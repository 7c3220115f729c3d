"""What a preset says of where the best configurations are."""

from __future__ import annotations

import doctest
import pickle

import pytest

from search.presets import prior as module
from search.presets.dimension import Dimension
from search.presets.files import parse_preset
from search.presets.prior import Belief
from tests.search.presets.sentences import sentence

FILTERS = Dimension(choices=([16, 32], [32, 64]))
SPACE = {
    "activation": ["relu", "tanh", "gelu"],
    "filters": [[16, 32], [32, 64]],
    "learning_rate": {"low": 0.01, "high": 1.0, "log": True},
}


def preset(**prior):
    tree = {"space": SPACE, "search": {}, "prior": prior}
    return parse_preset(tree, "x.toml")


def test_the_examples_run():
    assert doctest.testmod(module).failed == 0


def test_a_list_that_is_a_choice_is_one_choice_and_others_are_several():
    assert Belief(near=[16, 32]).choices(FILTERS) == ([16, 32],)
    assert Belief(near=[[16, 32], [32, 64]]).choices(FILTERS) == ([16, 32], [32, 64])
    assert Belief(near="relu").choices(Dimension(choices=("relu", "tanh"))) == ("relu",)


def test_what_is_believed_is_part_of_the_identity_and_reads_again():
    made = preset(learning_rate={"near": 0.1, "spread": 0.3}, activation=["relu"], filters=[16, 32])
    assert made.identity()["prior"] == {
        "activation": {"near": ["relu"], "spread": None},
        "filters": {"near": [16, 32], "spread": None},
        "learning_rate": {"near": 0.1, "spread": 0.3},
    }
    again = parse_preset(made.identity(), "x.toml")
    assert again.identity() == made.identity()
    assert list(again.prior.beliefs()) == ["activation", "filters", "learning_rate"]
    assert pickle.loads(pickle.dumps(again)) == again


@pytest.mark.parametrize(
    ("prior", "said"),
    [
        ({"learning_rte": 0.1}, "prior.learning_rte: unknown key"),
        ({"learning_rate": {"spread": 0.1}}, "prior.learning_rate.near: this key is required"),
        ({"learning_rate": {"near": 0.1, "spread": 0}}, "prior.learning_rate.spread: input should"),
        ({"learning_rate": {"near": 0.1, "sprd": 1}}, "prior.learning_rate.sprd: unknown key"),
        ({"arms": "one"}, "prior.arms: input should be a list"),
    ],
)
def test_a_faulty_section_is_one_sentence(prior, said):
    assert said in sentence({"space": SPACE, "search": {}, "prior": prior})
