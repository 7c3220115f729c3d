"""The networks are what the paper says, and saved models are Keras's own."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from fmnist_model.config import ModelConfig
from fmnist_model.network import build
from fmnist_model.network.build import build_network, export_network, initialise


def kinds(config: ModelConfig) -> list[str]:
    layers = build_network(config).layers
    return [type(layer).__name__ for layer in layers if "Activation" not in type(layer).__name__]


def test_the_cnn_is_the_papers():
    cnn = build_network(ModelConfig(activation="relu", dropout=0.25))
    assert kinds(ModelConfig()) == [
        *("InputLayer", "Conv2D", "MaxPooling2D", "Conv2D", "MaxPooling2D"),
        *("Flatten", "Dropout", "Dense", "Dense"),
    ]
    assert cnn.get_layer("conv1").filters, cnn.get_layer("conv2").filters == (32, 64)
    assert cnn.get_layer("dropout").rate == 0.25
    assert cnn.count_params() == 225_034


@pytest.mark.parametrize(
    ("architecture", "parameters"),
    [("lenet5", 61_706), ("mlp", 28 * 28 * 128 + 128 + 16_512 + 1290)],
)
def test_the_other_architectures(architecture, parameters):
    assert build_network(ModelConfig(architecture=architecture)).count_params() == parameters


@pytest.mark.parametrize(
    "activation", ["sigmoid", "relu", "tanh", "elu", "selu", "leaky_relu", "softplus"]
)
def test_pooling_before_a_rising_activation_changes_nothing(activation, few):
    config = ModelConfig(activation=activation)
    pixels = few[0].pixels[:32, ..., None].astype("float32") / 255
    ours = build_network(config)
    initialise(ours, seed=3)
    x = inputs = keras.Input((28, 28, 1))
    for number in (1, 2):
        x = ours.get_layer(f"conv{number}")(x)
        x = keras.layers.MaxPooling2D()(keras.layers.Activation(activation)(x))
    x = ours.get_layer("dense1")(keras.layers.Flatten()(x))
    x = ours.get_layer("output")(keras.layers.Activation(activation)(x))
    usual = keras.Model(inputs, keras.layers.Softmax()(x))
    np.testing.assert_allclose(ours(pixels), usual(pixels), rtol=1e-5, atol=1e-7)


def test_every_activation_builds():
    for activation in ModelConfig.model_fields["activation"].annotation.__args__:
        build_network(ModelConfig(activation=activation, filters=(2, 2), dense_units=4))


def test_weights_come_from_the_seed_alone():
    one, two = build_network(ModelConfig()), build_network(ModelConfig())
    initialise(one, seed=1)
    initialise(two, seed=2)
    assert not np.array_equal(one.trainable_variables[0], two.trainable_variables[0])
    initialise(two, seed=1)
    for ours, theirs in zip(one.trainable_variables, two.trainable_variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("seed", [0, 3, 2**31 - 1])
def test_kernels_are_as_keras_draws_them(seed):
    """Each from a seed of its own, eagerly as in a compiled function."""
    eager, compiled = build_network(ModelConfig()), build_network(ModelConfig())
    initialise(eager, seed)
    stream = keras.random.SeedGenerator(0)
    compute = tf.function(lambda seed: initialise(compiled, seed, stream), autograph=False)
    compute(tf.constant(seed, tf.int64))
    for number, (one, two) in enumerate(
        zip(eager.trainable_variables, compiled.trainable_variables, strict=True)
    ):
        np.testing.assert_array_equal(one, two)
        if one.name == "kernel":
            draw = keras.initializers.GlorotUniform(seed=(seed * 100 + number) % 2**32)
            np.testing.assert_array_equal(one, draw(one.shape))


@pytest.mark.parametrize("normalized", [False, True])
def test_an_exported_model_loads_safely_and_predicts_the_same(tmp_path, normalized):
    config = ModelConfig(dropout=0.3, filters=(4, 4), dense_units=8, batch_normalization=normalized)
    source = build_network(config)
    initialise(source, seed=5)
    for average in build.state_variables(source)[len(source.trainable_variables) :]:
        average.assign(np.random.default_rng(1).uniform(0.5, 2, average.shape))
    exported = export_network(config, [v.numpy() for v in build.state_variables(source)])
    exported.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    pixels = np.random.default_rng(0).random((5, 28, 28, 1), dtype="float32")
    np.testing.assert_allclose(loaded(pixels), source(pixels), rtol=1e-6)
    assert all(type(layer).__module__.startswith("keras.") for layer in loaded.layers)
