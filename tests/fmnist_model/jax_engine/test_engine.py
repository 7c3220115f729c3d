"""Runs the tests in `on_jax` in a process where Keras runs on JAX.

Those that compile an engine of several slots again, or stand beside real TensorFlow runs, are slow.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.dataset.fashion_mnist import split
from fmnist_model.jax_engine import backend
from tests.conftest import ROOT

ON_JAX = Path(__file__).parent / "on_jax"
LIMIT = 650
SMALL = {"filters": (4, 8), "dense_units": (16,)}
SETTINGS = TrainConfig(batch_size=100, epochs=2, precision="float32", momentum=0.5)
SAME_WEIGHTS = [
    ModelConfig(activation="relu", **SMALL),
    ModelConfig(activation="gelu", **SMALL),
    ModelConfig(activation="tanh", architecture="lenet5"),
    ModelConfig(activation="relu", output_activation="relu", **SMALL),
]
ARMS = [
    (ModelConfig(activation="relu", dropout=0.25, **SMALL), 0.2),
    (ModelConfig(activation="relu", output_activation="relu"), 0.2),
]
SEEDS = 6

needs_jax = pytest.mark.skipif(
    not backend.jax_is_installed(), reason="the extra jax is not installed"
)


def trained(engine, model, train):
    """A run with its weights before and after it, and its record."""
    from fmnist_model.network.build import initialise

    program = engine.program(model, "float32")
    initialise(program.network, train.seed)
    start = [weights.value for weights in program.weights()]
    result = engine.run(model, train, weights=start)
    record = {"model": model.model_dump(), "train": train.model_dump(), "curves": result.curves()}
    ends = {f"end{i}": value for i, value in enumerate(engine.weights())}
    return record, {f"start{i}": value for i, value in enumerate(start)} | ends


@pytest.fixture(scope="module")
def tensorflow_runs(everything, tmp_path_factory):
    """A folder with what the TensorFlow engine makes of some configurations."""
    from fmnist_model.tensorflow_engine.engine import TensorFlowEngine

    folder = tmp_path_factory.mktemp("tensorflow")
    engine = TensorFlowEngine(*split(everything, LIMIT))
    records, arms = [], []
    for number, model in enumerate(SAME_WEIGHTS):
        record, weights = trained(engine, model, SETTINGS.model_copy(update={"learning_rate": 0.1}))
        records.append(record)
        np.savez(folder / f"{number}.npz", **weights)
    for model, rate in ARMS:
        train = TrainConfig(batch_size=50, epochs=3, precision="float32", learning_rate=rate)
        results = [
            engine.run(model, train.model_copy(update={"seed": 1000 + seed}))
            for seed in range(SEEDS)
        ]
        kinds, values = [r.diagnosis.kind for r in results], [r.value for r in results]
        arm = {"model": model.model_dump(), "train": train.model_dump()}
        arms.append(arm | {"kinds": kinds, "values": values})
    kept = {"limit": LIMIT, "same_weights": records, "arms": arms}
    (folder / "runs.json").write_text(json.dumps(kept))
    return folder


def run_on_jax(marked: str, **environment: str) -> None:
    """Run the tests in `on_jax` that are so marked; their output is shown where one fails."""
    command = [sys.executable, "-m", "pytest", "-q", str(ON_JAX), "-p", "no:cacheprovider"]
    tests = subprocess.run(
        [*command, "-m", marked],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": "jax"} | environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert tests.returncode == 0, tests.stdout[-20000:]
    assert "passed" in tests.stdout
    assert "skipped" not in tests.stdout


@needs_jax
@pytest.mark.slow
def test_what_runs_on_jax():
    run_on_jax("not slow")


@needs_jax
@pytest.mark.slow
def test_what_is_slow_on_jax(tensorflow_runs):
    run_on_jax("slow", TENSORFLOW_RUNS=str(tensorflow_runs))


@needs_jax
def test_it_needs_no_tensorflow():
    code = (
        "import sys; from fmnist_model.jax_engine import backend; backend.use_jax(); "
        "import fmnist_model.jax_engine.engine, fmnist_model.jax_engine.autotune; "
        "sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=300)
