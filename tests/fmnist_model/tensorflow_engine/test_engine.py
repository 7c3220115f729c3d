"""The engine: reused programs are exact, and settings matter."""

from __future__ import annotations

import pytest

from fmnist_model.tensorflow_engine.engine import TensorFlowEngine
from tests.fmnist_model.examples import assert_examples_run
from tests.fmnist_model.small_images import BASE, SHORT, changed, same, trained


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


def test_the_examples_run():
    assert_examples_run("fmnist_model.tensorflow_engine.engine")
