"""Configurations validate themselves, fill in their architecture's sizes, and never change."""

from __future__ import annotations

import doctest

import pytest
from pydantic import ValidationError

from fmnist_model import config as module
from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.utils.errors import validation_sentence


def sentence(config, **given):
    with pytest.raises(ValidationError) as caught:
        config(**given)
    return validation_sentence(caught.value, "x.toml")


def test_sizes_default_to_the_architectures():
    assert ModelConfig().filters == (32, 64)
    assert ModelConfig(architecture="lenet5").dense_units == (120, 84)
    assert ModelConfig(architecture="mlp").dense_units == (128, 128)


def test_one_number_of_dense_units_is_one_layer():
    assert ModelConfig(dense_units=64).dense_units == (64,)


def test_a_configuration_survives_its_own_dump():
    config = ModelConfig(architecture="lenet5", dropout=0.1)
    assert ModelConfig(**config.model_dump(mode="json")) == config


def test_configurations_are_frozen():
    with pytest.raises(ValidationError):
        TrainConfig().epochs = 3


@pytest.mark.parametrize(
    ("config", "given", "said"),
    [
        (ModelConfig, {"droput": 0.1}, "x.toml: droput: unknown key"),
        (ModelConfig, {"dropout": 1.0}, "x.toml: dropout: input should be less than 1, got 1.0"),
        (ModelConfig, {"activation": "rely"}, "x.toml: activation: input should be 'sigmoid'"),
        (ModelConfig, {"filters": [8, 0]}, "x.toml: filters.1: input should be greater than"),
        (ModelConfig, {"kernel_size": 20}, "leave nothing of a 28x28 image"),
        (ModelConfig, {"architecture": "mlp", "filters": [8]}, "mean nothing to the architecture"),
        (
            TrainConfig,
            {"learning_rate": 0},
            "x.toml: learning_rate: input should be greater than 0",
        ),
        (TrainConfig, {"learning_rate": float("nan")}, "finite number, got nan"),
        (TrainConfig, {"batch_size": 0}, "batch_size: input should be greater than or equal to 1"),
        (TrainConfig, {"momentum": 1}, "momentum: input should be less than 1, got 1"),
        (TrainConfig, {"precision": "half"}, "should be 'auto', 'float32' or 'bfloat16', got 'ha"),
    ],
)
def test_faults_are_one_sentence(config, given, said):
    assert said in sentence(config, **given)


def test_the_examples_of_the_documentation():
    assert doctest.testmod(module) == (0, 3)
