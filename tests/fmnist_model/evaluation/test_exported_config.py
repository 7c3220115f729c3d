"""A configuration that was exported, and is read by the final evaluation."""

from __future__ import annotations

import pytest

from fmnist_model.evaluation.exported_config import ConfigurationError, read_exported_config


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[model", "cannot be read"),
        ("[model]\ndroput = 1\n[train]", "model.droput: unknown key"),
        ("[model]", "train: this key is required"),
        ("[model]\n[train]\nlearning_rate = -1", "train.learning_rate: input should be greater"),
    ],
)
def test_a_faulty_configuration_is_one_sentence(tmp_path, content, said):
    best = tmp_path / "best.toml"
    best.write_text(content)
    with pytest.raises(ConfigurationError, match=r"best.toml: ") as caught:
        read_exported_config(best)
    assert said in str(caught.value)


def test_what_is_left_out_has_its_default_and_lists_are_tuples(tmp_path):
    path = tmp_path / "best.toml"
    path.write_text("[model]\nfilters = [4, 8]\n[train]\nepochs = 3\n[provenance]\ntrial = 7\n")
    found = read_exported_config(path)
    assert (found.model.filters, found.model.activation) == ((4, 8), "relu")
    assert (found.train.epochs, found.data.limit) == (3, None)
