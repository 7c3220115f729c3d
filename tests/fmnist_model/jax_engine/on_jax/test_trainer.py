"""The compiled functions: compiled once, and deterministic on a GPU."""

from __future__ import annotations

import re

import jax
import numpy as np
import pytest

from tests.fmnist_model.jax_engine.on_jax.helpers import (
    DYING,
    EXPLODING,
    MODEL,
    TRAIN,
    TRIALS,
    new_engine,
    train,
)

pytestmark = pytest.mark.slow  # JAX compiles a program for most of these tests


def test_a_new_trial_never_compiles(four):
    """Whatever it is; a census is compiled once for each activation."""
    everyone = [*TRIALS, EXPLODING, DYING, (MODEL, TRAIN)]
    train(four, everyone)
    compiled = []

    def listen(name, *_, **__):
        if "backend_compile" in name:
            compiled.append(name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    other = [
        (
            model.model_copy(update={"dropout": 0.111, "output_activation": output}),
            settings.model_copy(update={"learning_rate": 0.123, "seed": 77, "epochs": 2}),
        )
        for output in ("softmax", "relu")
        for model, settings in everyone
    ]
    train(four, other)
    assert compiled == []
    jax.jit(lambda x: x * 3 + 1)(np.ones(3))
    assert compiled, "the listener hears nothing"


@pytest.mark.parametrize("convolution", ["matrix", "grouped"])
def test_a_gpus_program_sums_nothing_in_the_order_of_its_threads(images, convolution):
    """It is not run, but lowered for one, which needs none: scatters do that, and no product of
    what computes in bfloat16 is left in float32."""
    settings = TRAIN.model_copy(update={"precision": "bfloat16"})
    group = new_engine(images, 4, train=settings, convolution=convolution)._groups[0]
    traced = group.trainer._train.trace(
        group._weights,
        group._controls,
        group._rates,
        group._permutations,
        group.trainer.train_images,
    )
    text = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert "scatter" not in text
    products = re.findall(r"stablehlo\.(?:dot_general|convolution).* : \(tensor<\S*x(\w+)>", text)
    assert products.count("f32") == 3, "the output layer's, forward and backward"
    assert products.count("bf16") == 8


def test_a_call_trains_an_equal_part_of_an_epoch(images):
    """650 images: 7 steps in one call, 26 in three, 65 in eight."""
    steps = []
    for batch_size in (100, 25, 10):
        settings = TRAIN.model_copy(update={"batch_size": batch_size})
        trainer = new_engine(images, 1, train=settings)._groups[0].trainer
        steps.append((trainer.steps_per_epoch, trainer.steps_per_call))
    assert steps == [(7, 7), (26, 9), (65, 9)]
