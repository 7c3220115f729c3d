"""Only the dead are called stuck, only what is not finite or has exploded diverged."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.dataset.fashion_mnist import split
from fmnist_model.diagnosis.evidence import VitalSigns
from fmnist_model.tensorflow_engine.engine import TensorFlowEngine
from fmnist_model.tensorflow_engine.program import TrainingProgram
from fmnist_model.training.checkpoint import CheckpointError
from fmnist_model.training.protocol import TrainRequest
from tests.conftest import ROOT
from tests.fmnist_model.small_images import BASE, SHORT, changed, same, told
from tests.fmnist_model.training import numpy_network
from tests.fmnist_model.training.numpy_network import MODEL, TRAIN, NumpyNetwork


def test_the_run_loop_needs_numpy_only():
    code = (
        "import sys, fmnist_model.training.run, fmnist_model.training.engine_protocol; "
        "print({name.split('.')[0] for name in sys.modules} & {'keras', 'tensorflow', 'jax'})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_a_network_of_plain_numpy_trains_as_any_other():
    result = numpy_network.run(NumpyNetwork(), changed(TRAIN, epochs=6))
    assert (result.stop_reason, result.diagnosis.kind) == ("completed", "healthy")
    assert result.value > 0.6
    assert (result.epochs_run, result.steps_run, result.seed) == (6, 30, 3)


def test_a_report_prunes_but_not_after_the_last_epoch():
    pruned = numpy_network.run(NumpyNetwork(), TRAIN, report=lambda _: True)
    assert (pruned.stop_reason, pruned.epochs_run) == ("pruned", 1)
    last = numpy_network.run(NumpyNetwork(), TRAIN, report=lambda metrics: metrics.epoch == 2)
    assert last.stop_reason == "completed"


# Runs that are continued


class Doomed(NumpyNetwork):
    """It changes at the beginning of its third epoch, in a way that ends the run."""

    def __init__(self, **change) -> None:
        super().__init__()
        self._change = change

    def show(self, epoch, train) -> None:
        super().show(epoch, train)
        if epoch == 3:
            for name, value in self._change.items():
                setattr(self, name, np.full_like(getattr(self, name), value))


def in_parts(make, *epochs, train=TRAIN, model=MODEL, report=None):
    """The result of a run that is continued, on another network each time, and its last network."""
    start = None
    for count in epochs:
        network, part = make(), changed(train, epochs=count)
        result = numpy_network.run(network, part, model, report, start, keep=True)
        start = result.checkpoint
    return result, network


def test_a_continued_run_is_the_whole_run():
    reported = []
    whole, network = in_parts(NumpyNetwork, 4)
    parts, other = in_parts(NumpyNetwork, 1, 2, 4, report=lambda m: reported.append(m.epoch))
    assert told(parts) == told(whole)
    assert same(other.snapshot().weights, network.snapshot().weights)
    assert (whole.continued_from, parts.continued_from) == (0, 2)
    assert reported == [1, 2, 3, 4]


def test_the_time_of_a_continued_run_is_that_of_all_its_parts():
    first = numpy_network.run(NumpyNetwork(), TRAIN, keep=True)
    counts = replace(first.checkpoint.counts, earlier_seconds=100.0, step_seconds=50.0)
    start = replace(first.checkpoint, counts=counts)
    result = numpy_network.run(NumpyNetwork(), changed(TRAIN, epochs=4), start=start)
    assert 100 < result.train_seconds < 110
    assert result.earlier_seconds == 100
    assert 400 / 60 < result.images_per_second <= 400 / 50


def test_a_checkpoint_can_be_continued_more_than_once():
    start = numpy_network.run(NumpyNetwork(), TRAIN, keep=True).checkpoint
    longer = changed(TRAIN, epochs=4)
    one, two = (numpy_network.run(NumpyNetwork(), longer, start=start) for _ in range(2))
    assert told(one) == told(two)
    assert start.epoch == 2


@pytest.mark.parametrize(
    ("change", "ending"),
    [
        ({"bias": -1e3}, ("stuck", "dead_layer")),
        ({"head": 1e30}, ("diverged", "non_finite")),
        ({"head_bias": np.arange(10) * 10.0}, ("diverged", "exploded")),
    ],
)
def test_a_run_that_ends_after_it_was_continued_is_told_the_same(change, ending):
    train = changed(TRAIN, learning_rate=1e-3)
    whole, _ = in_parts(lambda: Doomed(**change), 6, train=train)
    assert (whole.stop_reason, whole.diagnosis.kind) == ending
    for before in (1, 2, *([3] if whole.epochs_run > 3 else [])):
        parts, _ = in_parts(lambda: Doomed(**change), before, 6, train=train)
        assert parts.continued_from == before
        assert told(parts) == told(whole)


def test_steps_without_a_gradient_are_counted_across_parts():
    """Its velocity would revive it: there is a check after 50 steps, and one where a run ends."""

    def moving() -> NumpyNetwork:
        network = NumpyNetwork(numpy_network.DEAD)
        network.bias_velocity = network.bias_velocity - 4000
        return network

    train = changed(TRAIN, momentum=0.9)
    whole, _ = in_parts(moving, 12, train=train)
    parts, _ = in_parts(moving, 4, 7, 12, train=train)
    assert [check.zero_grad_steps for check in whole.checks] == [50, 60]
    assert told(parts) == told(whole)


def test_saturated_epochs_are_counted_across_parts(monkeypatch):
    saturated = VitalSigns(100, {}, {"dense1": 0.95}, {"dense1": 1.0, "output": 1.0})
    monkeypatch.setattr(NumpyNetwork, "vital_signs", lambda self: saturated)
    train = changed(TRAIN, saturated_patience=3, learning_rate=1e-30)
    whole, _ = in_parts(NumpyNetwork, 6, train=train)
    assert (whole.stop_reason, whole.epochs_run) == ("pruned", 3)
    assert told(in_parts(NumpyNetwork, 1, 2, 6, train=train)[0]) == told(whole)


@pytest.mark.parametrize(
    ("bias", "train", "report"),
    [
        (0.0, {}, lambda metrics: metrics.epoch == 1),  # is pruned
        (0.0, {"schedule": "cosine"}, None),
        (numpy_network.DEAD, {}, None),  # is stuck
        (numpy_network.DEAD, {"on_stuck": "record"}, None),
    ],
)
def test_what_cannot_be_continued_has_no_checkpoint(bias, train, report):
    settings = changed(TRAIN, **train)
    result = numpy_network.run(NumpyNetwork(bias), settings, report=report, keep=True)
    assert result.checkpoint is None


def test_a_checkpoint_of_another_run_is_refused():
    start = numpy_network.run(NumpyNetwork(), TRAIN, keep=True).checkpoint
    with pytest.raises(CheckpointError, match="seed=4: the checkpoint has seed=3"):
        numpy_network.run(NumpyNetwork(), changed(TRAIN, epochs=4, seed=4), start=start)


# On the engine


SEEDS = [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 10))]
"""Two are quick; that it is so whatever the seed takes a minute to see."""


@pytest.fixture(scope="module")
def paper_engine(everything):
    """All of the paper's training images: 48 steps of 1000 an epoch."""
    return TensorFlowEngine(*split(everything))


@pytest.mark.parametrize("dropout", [0.0, 0.25])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_papers_relu_output_is_stuck_within_its_first_epoch(paper_engine, dropout, seed):
    model = ModelConfig(activation="relu", output_activation="relu", dropout=dropout)
    result = paper_engine.run(model, TrainConfig(learning_rate=0.2, seed=seed))
    diagnosis = result.diagnosis
    assert (result.stop_reason, result.epochs_run) == ("stuck", 1)
    assert diagnosis.kind == "dead_output"
    assert diagnosis.certain == (dropout == 0)
    assert diagnosis.evidence["census"]["output"]["open"] == 0
    observed, _ = paper_engine.last.score(paper_engine._train)
    assert diagnosis.explained_loss == pytest.approx(observed, abs=2e-4)


def assert_frozen(engine, layer, few):
    """What the diagnosis claims: an epoch more leaves everything up to the dead layer as it is."""
    program, before = engine.last, engine.weights()
    program.show(1, TrainConfig(seed=1))
    rates = np.ones(math.ceil(len(few[0]) / 32))
    program.train(TrainRequest(rates, 0, 32, 0, 0, patience=10**6))
    paths = [variable.path for variable in program.variables]
    up_to = 1 + max(i for i, path in enumerate(paths) if f"{layer}/" in path)
    assert same(before[:up_to], engine.weights()[:up_to])


def test_a_dead_hidden_layer_is_named(few):
    """LeNet-5 with ReLU dies at this rate, on most seeds, with gradients left in the last bias."""
    model = ModelConfig(architecture="lenet5", activation="relu")
    train = TrainConfig(batch_size=32, learning_rate=1.0, epochs=3, precision="float32")
    engine = TensorFlowEngine(*few)
    dead = 0
    for seed in range(4):
        result = engine.run(model, changed(train, seed=seed))
        if result.stop_reason == "stuck":
            dead += 1
            assert (result.diagnosis.kind, result.diagnosis.certain) == ("dead_layer", True)
            assert (
                result.diagnosis.evidence["census"]["layers"][result.diagnosis.layer]["active"] == 0
            )
            assert_frozen(engine, result.diagnosis.layer, few)
    assert dead


@pytest.mark.parametrize("train", [{"batch_size": 1000}, {"batch_size": 100, "momentum": 0.95}])
def test_a_run_that_ends_before_patience_does_is_checked_all_the_same(engine, train):
    """Two epochs of two steps; forty with a velocity that asks for a hundred steps of patience."""
    model = changed(
        BASE, output_activation="relu", dropout=0.0, filters=(32, 64), dense_units=(128,)
    )
    stuck = 0
    for seed in range(3):
        settings = changed(SHORT, learning_rate=0.45, seed=seed, **train)
        result = engine.run(model, settings)
        if engine.last.census().output_is_dead():
            stuck += 1
            assert result.stop_reason == "stuck"
    assert stuck


def test_a_batch_larger_than_the_data_is_one_step(engine):
    assert engine.run(BASE, changed(SHORT, batch_size=2**31 - 1, epochs=1)).steps_run == 1


def test_weights_ruined_by_the_last_step_are_diverged_without_validation_too(few):
    model = changed(BASE, activation="elu", dropout=0.0)
    train = changed(SHORT, learning_rate=1e30, batch_size=2000, epochs=1)
    assert TensorFlowEngine(few[0]).run(model, train).stop_reason == "diverged"


def test_a_layer_without_a_gradient_on_some_batches_only_is_alive(everything, monkeypatch):
    """The trap: gradients exactly zero for many steps in a row, and yet not dead."""
    images = split(everything, 6000)
    model = ModelConfig(architecture="mlp", activation="relu")
    train = TrainConfig(batch_size=32, learning_rate=1.0, epochs=4, precision="float32")
    checks = []
    census = TrainingProgram.census
    monkeypatch.setattr(
        TrainingProgram,
        "census",
        lambda self: checks.append(census(self)) or checks[-1],
    )
    engine = TensorFlowEngine(*images)
    for seed in range(2):
        result = engine.run(model, changed(train, seed=seed))
        if result.stop_reason == "stuck":
            assert_frozen(engine, result.diagnosis.layer, images)
    assert any(not census.dead_layers() for census in checks), "no run came near the trap"


@pytest.mark.slow
@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_a_slow_sigmoid_is_left_alone(paper_engine, output):
    model = ModelConfig(activation="sigmoid", output_activation=output)
    result = paper_engine.run(model, TrainConfig(learning_rate=0.2, seed=0, epochs=2))
    assert (result.stop_reason, result.diagnosis.kind) == ("completed", "slow")


def test_a_slow_sigmoid_is_left_alone_on_few_images_too(engine):
    """As many steps as an epoch of the paper's has, on fewer images a step."""
    model = ModelConfig(activation="sigmoid", output_activation="sigmoid")
    train = TrainConfig(learning_rate=0.2, seed=0, epochs=2, batch_size=42)
    result = engine.run(model, train)
    assert result.steps_run == 2 * 48
    assert (result.stop_reason, result.diagnosis.kind) == ("completed", "slow")


def test_a_loss_that_is_not_finite_is_diverged(engine):
    model = changed(BASE, activation="elu", dropout=0.0)
    result = engine.run(model, changed(SHORT, learning_rate=1e30, precision="float32"))
    assert (result.stop_reason, result.diagnosis.kind) == ("diverged", "non_finite")
    assert result.diagnosis.layer in {"conv1", "conv2", "dense1", "output"}
    assert result.value is None
    assert result.history[-1].loss is None
    assert result.steps_run < 20


def dead_from_the_start(engine, monkeypatch, layer="dense1", activation="relu"):
    """A network whose layer dies in its first step: a bias that no image overcomes."""
    model = changed(BASE, activation=activation, dropout=0.0)
    program = engine.program(model, "float32")
    reset = program.reset

    def dead(*arguments):
        reset(*arguments)
        (bias,) = [v for v in program.variables if v.path.endswith(f"{layer}/bias")]
        bias.assign(np.full(bias.shape, -1e3))

    monkeypatch.setattr(program, "reset", dead)
    return model


def test_a_dead_layer_is_proved_at_the_first_check(engine, monkeypatch):
    model = dead_from_the_start(engine, monkeypatch)
    result = engine.run(model, changed(SHORT, precision="float32"))
    assert (result.stop_reason, result.steps_run) == ("stuck", 5)
    assert (result.diagnosis.layer, result.diagnosis.certain) == ("dense1", True)
    assert result.dead_fraction["dense1"] == 1.0
    gradients = engine.last.gradients(np.arange(2000))
    assert [bool(np.any(g)) for g in gradients] == [False] * 7 + [True]  # the last bias alone


def test_a_layer_of_another_activation_can_be_constant_without_a_gradient(engine, monkeypatch):
    """tanh at a bias of -1000 is -1 for every image, and its derivative exactly zero."""
    model = dead_from_the_start(engine, monkeypatch, activation="tanh")
    result = engine.run(model, changed(SHORT, precision="float32"))
    assert (result.stop_reason, result.diagnosis.kind) == ("stuck", "dead_layer")


def test_record_lets_a_stuck_run_go_on_and_tells_what_came_of_it(engine, monkeypatch):
    model = dead_from_the_start(engine, monkeypatch)
    result = engine.run(model, changed(SHORT, precision="float32", on_stuck="record"))
    assert (result.stop_reason, result.epochs_run) == ("completed", SHORT.epochs)
    assert result.diagnosis.kind == "dead_layer"
    recorded = result.recorded
    assert (recorded.epoch, recorded.step) == (1, 5)
    assert (recorded.revived, recorded.moved) == (False, False)
    assert [check.zero_grad_steps for check in result.checks] == [5, 10, 20, 40]


def test_a_living_run_has_nothing_recorded(engine):
    result = engine.run(BASE, changed(SHORT, on_stuck="record"))
    assert (result.recorded, result.checks) == (None, ())
    assert set(result.dead_fraction) == {"conv1", "conv2", "dense1"}
    assert all(0 <= share < 1 for share in result.dead_fraction.values())


def test_velocity_is_taken_into_account(engine, monkeypatch):
    """Dead where it is, alive where its velocity carries it: the first check finds it alive."""
    model = dead_from_the_start(engine, monkeypatch)
    train = changed(SHORT, precision="float32", momentum=0.9, learning_rate=0.1, batch_size=500)
    assert engine.run(model, train).checks[0].kind == "dead_layer"
    program = engine.program(model, "float32")
    reset = program.reset

    def moving(*arguments):
        reset(*arguments)
        velocity = program.sgd.velocity[5]  # of the bias of dense1: it will rise by 1800 in all
        velocity.assign(np.full(velocity.shape, -2000.0))

    monkeypatch.setattr(program, "reset", moving)
    check = engine.run(model, train).checks[0]
    assert (check.zero_grad_steps, check.kind) == (5, None)


def test_an_explosion_that_stays_finite_is_diverged(engine):
    """tanh at a rate that makes the output layer's weights grow; seen at two epochs' ends."""
    model = ModelConfig(architecture="mlp", activation="tanh")
    train = changed(SHORT, learning_rate=3.0, epochs=4, precision="float32")
    result = engine.run(model, train)
    assert (result.stop_reason, result.diagnosis.kind) == ("diverged", "exploded")
    assert (result.epochs_run, result.value, result.diagnosis.certain) == (2, None, False)
    assert result.diagnosis.layer in {"dense1", "dense2", "output"}
    assert engine.run(model, changed(train, on_stuck="record")).epochs_run == 4


def test_a_network_that_dies_of_an_explosion_is_called_exploded(engine):
    """ELU in float32: units at -1 with a derivative of exactly zero, and a loss of 1e10."""
    model = changed(BASE, activation="elu", dropout=0.0)
    result = engine.run(model, changed(SHORT, learning_rate=1.0, precision="float32"))
    diagnosis = result.diagnosis
    assert (result.stop_reason, diagnosis.kind, diagnosis.certain) == ("diverged", "exploded", True)
    assert "died of it and has no gradient any more" in diagnosis.message
    assert diagnosis.evidence["loss"] > 1e6


def test_saturated_runs_are_pruned_if_the_configuration_says_so(engine):
    """tanh driven against its ends by a high rate: gradients tiny, not zero."""
    model = changed(BASE, activation="tanh", dropout=0.0)
    train = changed(SHORT, learning_rate=3.0, epochs=4, precision="float32")
    result = engine.run(model, train)
    assert (result.stop_reason, result.diagnosis.kind) == ("completed", "saturated")
    assert not result.diagnosis.certain
    result = engine.run(model, changed(train, saturated_patience=2))
    assert (result.stop_reason, result.diagnosis.kind) == ("pruned", "saturated")
    assert result.epochs_run == 2
