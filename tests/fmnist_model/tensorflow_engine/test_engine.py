"""The engine: reused programs are exact, and settings matter."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from fmnist_model.config import ModelConfig
from fmnist_model.tensorflow_engine.engine import TensorFlowEngine
from fmnist_model.training.checkpoint import CheckpointError, load, save
from tests.conftest import ROOT
from tests.fmnist_model.examples import assert_examples_run
from tests.fmnist_model.small_images import BASE, SHORT, changed, same, told, trained


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_reused_program_gives_bit_for_bit_what_a_fresh_one_gives(few, engine, precision):
    train = changed(SHORT, precision=precision, momentum=0.9, learning_rate=0.02)
    fresh_result, fresh = trained(TensorFlowEngine(*few), train=train)
    used = changed(train, seed=8, learning_rate=0.4, momentum=0.5, batch_size=64)
    trained(engine, changed(BASE, dropout=0.4), used)
    program = engine.program(BASE, precision)
    traces = program.loop.compiled.traced.experimental_get_tracing_count()
    result, weights = trained(engine, train=train)
    assert program is engine.last
    assert program.loop.compiled.traced.experimental_get_tracing_count() == traces == 1
    assert same(weights, fresh)
    assert result.curves() == fresh_result.curves()


@pytest.mark.parametrize(
    ("model", "train"),
    [
        ({}, {"learning_rate": 0.21}),
        ({}, {"momentum": 0.1}),
        ({}, {"seed": 8}),
        ({}, {"batch_size": 50}),
        ({"dropout": 0.26}, {}),
        ({"dropout": 0.0}, {}),
        ({"activation": "tanh"}, {}),
        ({"output_activation": "relu"}, {}),
        ({"batch_normalization": True}, {}),
        ({}, {"schedule": "cosine"}),
        ({}, {"schedule": "one_cycle"}),
        ({}, {"weight_decay": 0.01}),
        ({}, {"flip": True}),
        ({}, {"shift": 1}),
    ],
)
def test_every_setting_changes_the_result(engine, model, train):
    _, base = trained(engine)
    _, other = trained(engine, changed(BASE, **model), changed(SHORT, **train))
    assert not same(base, other)


def test_a_sigmoid_output_trains_exactly_as_softmax(engine):
    softmax, _ = trained(engine)
    sigmoid, _ = trained(engine, changed(BASE, output_activation="sigmoid"))
    assert sigmoid.curves()["loss"] == softmax.curves()["loss"]


def test_every_image_is_seen_once_an_epoch(few):
    """Also where the batch size does not divide the images: the last batch is smaller."""
    result = TensorFlowEngine(*few).run(BASE, changed(SHORT, batch_size=300, epochs=1))
    assert result.steps_run == 7


def test_the_report_prunes_after_an_epoch(engine):
    seen = []
    result = engine.run(
        BASE, changed(SHORT, epochs=5), lambda metrics: seen.append(metrics) or metrics.epoch == 2
    )
    assert (result.stop_reason, result.epochs_run) == ("pruned", 2)
    assert tuple(seen) == result.history
    assert result.value == seen[-1].val_accuracy


def test_it_learns(engine):
    result = engine.run(BASE, changed(SHORT, batch_size=50, epochs=6, dropout=0.0))
    assert (result.stop_reason, result.diagnosis.kind) == ("completed", "healthy")
    assert result.value > 0.6
    assert result.device.startswith(("CPU", "GPU"))


def test_a_saved_figure_is_what_the_weights_give(few, engine):
    """The reported validation accuracy, computed again with plain Keras from the weights."""
    from fmnist_model.network.build import export_network

    result, weights = trained(engine, train=changed(SHORT, precision="float32"))
    pixels = few[1].pixels[..., None].astype("float32") / 255
    predicted = export_network(BASE, weights).predict(pixels, verbose=0).argmax(axis=-1)
    assert result.value == pytest.approx((predicted == few[1].labels).mean(), abs=0.003)


# Runs that are continued

EVERYTHING = changed(BASE, batch_normalization=True)
HARD = changed(SHORT, momentum=0.9, weight_decay=1e-3, flip=True, shift=2, learning_rate=0.05)
"""All that keeps something from one step to the next, and all that is drawn."""


def continued(engine, epochs, model=EVERYTHING, train=HARD, between=None):
    """The result of a run in parts, between which the engine's program is used by another run."""
    start = None
    for count in epochs:
        if between is not None:
            engine.run(model, between)
        part = changed(train, epochs=count)
        result = engine.run(model, part, start=start, keep=True)
        start = result.checkpoint
    return result, engine.weights()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_continued_run_is_the_whole_run_to_the_last_bit(engine, precision):
    train = changed(HARD, precision=precision)
    whole, weights = continued(engine, [4], train=train)
    other = changed(train, seed=8, epochs=1, learning_rate=0.3, momentum=0.5)
    parts, same_weights = continued(engine, [1, 2, 4], train=train, between=other)
    assert parts.continued_from == 2
    assert same(same_weights, weights)
    assert told(parts) == told(whole)
    ends = zip(_state(parts.checkpoint), _state(whole.checkpoint), strict=True)
    assert all(np.array_equal(ours, theirs) for ours, theirs in ends)


def _state(checkpoint):
    network = checkpoint.network
    return [*network.weights, *network.velocity, network.stream]


def test_a_checkpoint_stays_as_it_is_while_its_run_is_continued(engine):
    start = engine.run(EVERYTHING, changed(HARD, epochs=1), keep=True).checkpoint
    before = [value.copy() for value in _state(start)]
    assert engine.run(EVERYTHING, HARD, start=start).checkpoint is None
    assert same(_state(start), before)


CONTINUE = """
import sys
from pathlib import Path
import numpy as np
from fmnist_model.dataset.fashion_mnist import load_train, split
from fmnist_model.tensorflow_engine.engine import TensorFlowEngine
from fmnist_model.training.checkpoint import load, save
from tests.fmnist_model.small_images import changed
from tests.fmnist_model.tensorflow_engine.test_engine import EVERYTHING, HARD
data, path, sha256 = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
engine = TensorFlowEngine(*split(load_train(None, print, data), 2000))
train = changed(HARD, epochs=2)
result = engine.run(EVERYTHING, train, start=load(path, sha256), keep=True)
print(save(result.checkpoint, path))
"""


@pytest.mark.slow
def test_another_process_continues_a_run_to_the_last_bit(engine, tmp_path):
    """It is a process of its own, which loads TensorFlow."""
    path = tmp_path / "kept.npz"
    sha256 = save(engine.run(EVERYTHING, changed(HARD, epochs=1), keep=True).checkpoint, path)
    command = [sys.executable, "-c", CONTINUE, str(ROOT / "data"), str(path), sha256]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    read = load(path, done.stdout.split()[-1])
    whole, _ = continued(engine, [2])
    assert same(_state(read), _state(whole.checkpoint))
    assert told(whole).history == tuple(
        replace(m, images_per_second=0) for m in read.counts.history
    )


@pytest.mark.parametrize(
    ("model", "ending"),
    [
        (ModelConfig(architecture="mlp", activation="tanh"), ("diverged", "exploded")),
        (changed(BASE, activation="tanh", dropout=0.0), ("pruned", "saturated")),
    ],
)
def test_a_run_that_ends_after_it_was_continued_ends_as_the_whole_run(engine, model, ending):
    """Either shows at the end of two epochs in a row, of which both parts have one."""
    train = changed(SHORT, learning_rate=3.0, precision="float32", saturated_patience=2)
    whole, weights = continued(engine, [4], model, train)
    assert (whole.stop_reason, whole.diagnosis.kind, whole.epochs_run) == (*ending, 2)
    parts, same_weights = continued(engine, [1, 4], model, train)
    assert parts.continued_from == 1
    assert told(parts) == told(whole)
    assert same(same_weights, weights)


def test_a_checkpoint_of_another_run_is_refused(engine):
    start = engine.run(BASE, changed(SHORT, epochs=1), keep=True).checkpoint
    with pytest.raises(CheckpointError, match=r"dropout=0\.5: the checkpoint has dropout=0\.25"):
        engine.run(changed(BASE, dropout=0.5), SHORT, start=start)


def test_the_examples_run():
    assert_examples_run("fmnist_model.tensorflow_engine.engine")
