"""The vectorized engine beside the TensorFlow engine, whose runs another process has made."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.dataset.fashion_mnist import split
from tests.fmnist_model.jax_engine.on_jax.helpers import new_engine, train


def tensorflows() -> tuple[Path, dict]:
    folder = os.environ.get("TENSORFLOW_RUNS")
    if folder is None:
        pytest.skip("TENSORFLOW_RUNS is not set, as jax_engine/test_engine.py does")
    return Path(folder), json.loads((Path(folder) / "runs.json").read_text())


def test_it_trains_as_the_tensorflow_engine_does(everything):
    """From the same weights on the same batches: the same weights and curves, but for rounding.

    The slopes of ReLUs and of a clipped output magnify rounding, so the difference is judged by
    the distance that the weights have moved.
    """
    folder, runs = tensorflows()
    images = split(everything, runs["limit"])
    for number, run in enumerate(runs["same_weights"]):
        model, settings = ModelConfig(**run["model"]), TrainConfig(**run["train"])
        engine = new_engine(images, 2, model, settings, [model.activation])
        with np.load(folder / f"{number}.npz") as kept:
            start = [kept[f"start{i}"] for i in range(len(kept.files) // 2)]
            end = [kept[f"end{i}"] for i in range(len(kept.files) // 2)]
        (trained,) = train(engine, [(model, settings)], start)
        for ours, theirs, first in zip(trained.epochs[-1], end, start, strict=True):
            assert np.linalg.norm(ours - theirs) < 0.02 * np.linalg.norm(theirs - first)
        for name, curve in trained.result.curves().items():
            np.testing.assert_allclose(curve, run["curves"][name], atol=2e-3)


def test_its_stuck_kinds_and_accuracies_are_the_tensorflow_engines(everything):
    """The paper's arms, each engine with the weights that it draws itself, n seeds each."""
    from scipy.stats import permutation_test

    _, runs = tensorflows()
    images = split(everything, runs["limit"])
    for arm in runs["arms"]:
        model, settings = ModelConfig(**arm["model"]), TrainConfig(**arm["train"])
        engine = new_engine(images, 4, model, settings, [model.activation])
        seeds = [settings.model_copy(update={"seed": s}) for s in range(len(arm["values"]))]
        ended = [each.result for each in train(engine, [(model, seed) for seed in seeds])]
        kinds = [result.diagnosis.kind for result in ended]
        print(model, kinds, arm["kinds"], [r.value for r in ended], arm["values"])
        if "dead_output" in arm["kinds"]:
            assert set(kinds) == set(arm["kinds"]) == {"dead_output"}
            assert all(result.stop_reason == "stuck" for result in ended)
            continue
        assert set(kinds) == set(arm["kinds"])
        test = permutation_test(
            ([result.value for result in ended], arm["values"]),
            lambda a, b: np.mean(a) - np.mean(b),
            rng=np.random.default_rng(0),
        )
        assert test.pvalue > 0.01
