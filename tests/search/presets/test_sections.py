"""The other sections of a preset have defaults, and a fault in them is one sentence."""

from __future__ import annotations

import pytest

from search.presets.files import parse_preset
from tests.search.presets.sentences import RELU, sentence


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"data": {"limit": 3}}, "data.limit: input should be greater than"),
        ({"sampler": {"name": "cma"}}, "sampler.name: input should be 'tpe'"),
        ({"pruner": {"reduction_factor": 1}}, "pruner.reduction_factor: input"),
        ({"workers": {"lag": 0}}, "workers.lag: input should be greater than or equal to 1"),
        ({"arms": [{"name": "a"}]}, "arms.0.params: this key is required"),
    ],
)
def test_a_fault_is_one_sentence(section, said):
    assert said in sentence({"space": RELU, **section})


def test_what_is_left_out_has_a_default():
    preset = parse_preset({"space": RELU}, "x.toml")
    assert (preset.sampler.name, preset.pruner.name) == ("tpe", "successive_halving")
    assert (preset.data.limit, preset.workers.lag, preset.arms) == (None, None, ())
