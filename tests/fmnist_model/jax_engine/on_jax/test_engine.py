"""Slots that share a program share nothing else: no trial depends on its neighbours."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.dataset.fashion_mnist import split
from fmnist_model.training.checkpoint import CheckpointError, load, save
from tests.conftest import ROOT
from tests.fmnist_model.examples import assert_examples_run
from tests.fmnist_model.jax_engine.on_jax.helpers import (
    DYING,
    EXPLODING,
    MODEL,
    TRAIN,
    TRIALS,
    WatchedTrial,
    assert_same,
    new_engine,
    train,
    trial,
)
from tests.fmnist_model.small_images import told


@pytest.mark.slow
def test_the_example_of_its_docstring_runs(monkeypatch):
    monkeypatch.chdir(ROOT)  # the data is there
    assert_examples_run("fmnist_model.jax_engine.engine")


@pytest.mark.slow
@pytest.mark.parametrize("number", range(4))
def test_a_slot_is_the_trial_alone(alone, side_by_side, number):
    (own,) = train(alone, [TRIALS[number]])
    together = side_by_side[number]
    assert together.slot == number
    assert_same(own, together, exactly=False)
    for curve, other in zip(
        own.result.curves().values(), together.result.curves().values(), strict=True
    ):
        np.testing.assert_allclose(curve, other, atol=1e-4)
    assert own.result.steps_run == together.result.steps_run == 7 * own.result.epochs_run
    drawn = [v for v in alone._groups[0].weights(0).state if v.shape == (2,)]
    np.testing.assert_array_equal(drawn, [[TRIALS[number][1].seed, own.result.steps_run]])


@pytest.mark.slow
def test_run_is_the_trial_alone_too(alone):
    (own,) = train(alone, [TRIALS[3]])
    assert alone.run(*TRIALS[3]).curves() == own.result.curves()


def test_neighbours_change_nothing_to_the_last_bit(four):
    """Other ones, ones that end earlier, are replaced or explode, and a slot that was used."""
    first, watched = TRIALS[0], TRIALS[2]
    (_, expected, *_) = train(four, [first, watched, TRIALS[1], TRIALS[3]])
    crowd = [EXPLODING, watched, DYING, TRIALS[3], EXPLODING, TRIALS[0], watched, DYING, watched]
    ended = train(four, crowd)
    (found,) = [each for each in ended[:4] if each.slot == 1]
    assert_same(expected, found, exactly=True)
    assert found.result.curves() == expected.result.curves()
    again = [each for each in ended[4:] if each.result.seed == watched[1].seed]
    assert len(again) == 2
    for each in again:
        assert_same(expected, each, exactly=each.slot == 1)
    assert {each.result.stop_reason for each in ended} >= {"completed", "diverged", "stuck"}


def test_nan_stays_in_its_slot(four):
    """Every other slot has weights that are NaN from the beginning on."""
    expected = train(four, [TRIALS[3], TRIALS[0]])[1]
    broken = [np.full_like(value, np.nan) for value in four.weights(0)]
    trials = [(EXPLODING, broken), (TRIALS[0], None), (EXPLODING, broken), (EXPLODING, broken)]
    watched = [WatchedTrial(four, *each) for each in trials]
    while watched[1].result is None:
        four.advance()
        for each in watched:
            each.resume()
    for slot in (0, 2, 3):
        assert np.isnan(four.weights(slot)[0]).all()
    assert_same(expected, watched[1], exactly=True)


def test_a_slot_that_is_given_up_while_its_group_is_busy_can_be_used_at_once(four):
    """As after Ctrl-C; the reply to what was dispatched is dropped."""
    expected = train(four, TRIALS)
    watched = [WatchedTrial(four, trial) for trial in (EXPLODING, TRIALS[1], DYING, TRIALS[3])]
    four.advance()
    given_up = next(each for each in watched if four._locate(each.slot)[0].busy)
    given_up.close()
    fresh = WatchedTrial(four, TRIALS[given_up.slot])
    assert fresh.slot == given_up.slot
    while fresh.result is None:
        four.advance()
        for each in (fresh, *watched):
            each is given_up or each.resume()
    for each in watched:
        each.close()
    assert_same(expected[fresh.slot], fresh, exactly=True)


def test_one_group_trains_while_the_host_attends_to_the_other(four):
    watched = [WatchedTrial(four, trial) for trial in TRIALS]
    busy = []
    for _ in range(4):
        four.advance()
        busy.append([group.busy for group in four._groups])
        for each in watched:
            each.resume()
    assert sorted(busy[:2]) == [[False, True], [True, False]]
    assert busy[2:] == busy[:2]
    for each in watched:
        each.close()


@pytest.mark.slow
def test_in_bfloat16_a_slot_is_itself_too(images):
    """It is what GPUs train in."""
    trials = [
        (model, settings.model_copy(update={"precision": "bfloat16"}))
        for model, settings in (*TRIALS, EXPLODING)
    ]
    four = new_engine(images, 4, train=trials[0][1])
    expected = train(four, trials[:4])
    again = train(four, [trials[4], *trials[1:4]])
    for one, other in zip(expected[1:], again[1:], strict=True):
        assert_same(one, other, exactly=True)


@pytest.mark.slow
def test_grouped_convolutions_compute_the_same(images, alone):
    grouped = new_engine(images, 2, convolution="grouped")
    (expected,) = train(alone, [TRIALS[0]])
    found = train(grouped, [TRIALS[0], TRIALS[1]])[0]
    assert_same(expected, found, exactly=False)


def test_what_needs_another_program_is_refused(four):
    with pytest.raises(ValueError, match="another program"):
        next(four.running(MODEL, TRAIN.model_copy(update={"batch_size": 50})))
    with pytest.raises(ValueError, match=r"the JAX engine does not support train\.flip"):
        next(four.running(MODEL, TRAIN.model_copy(update={"flip": True})))
    watched = [WatchedTrial(four, TRIALS[0]) for _ in range(4)]
    with pytest.raises(ValueError, match="all of the 4 slots are taken"):
        next(four.running(*TRIALS[0]))
    for each in watched:
        each.close()
    assert sorted(four._free) == [0, 1, 2, 3]


def test_a_loss_that_is_not_finite_is_diverged_and_one_that_explodes_is_exploded(four):
    exploded = (EXPLODING[0], TRAIN.model_copy(update={"learning_rate": 3.0, "epochs": 4}))
    first, second = (each.result for each in train(four, [EXPLODING, exploded]))
    assert (first.stop_reason, first.diagnosis.kind) == ("diverged", "non_finite")
    assert first.value is None
    assert first.diagnosis.layer is not None
    assert second.stop_reason == "diverged"


def test_a_continued_run_is_the_whole_run_to_the_last_bit_in_the_same_slot(four, tmp_path):
    """Slot 0 had another trial in between, and slot 1 trains for other numbers of epochs."""
    model, settings = trial({"dropout": 0.25}, seed=9, momentum=0.9, learning_rate=0.05, epochs=4)
    whole = four.run(model, settings, keep=True)
    start, reported = None, []
    for epochs in (1, 2, 4):
        four.run(*TRIALS[1])
        part = settings.model_copy(update={"epochs": epochs})
        running = four.running(model, part, reported.append, start=start, keep=True)
        result = beside(four, running, WatchedTrial(four, TRIALS[2]))
        start = load(tmp_path / "kept.npz", save(result.checkpoint, tmp_path / "kept.npz"))
    assert result.continued_from == 2
    assert told(result) == told(whole)
    assert tuple(reported) == result.history
    for ours, theirs in zip(arrays(start), arrays(whole.checkpoint), strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype


def beside(engine, running, neighbour):
    """The result of a run that trains beside another trial, which is given up in the end."""
    while True:
        try:
            next(running)
        except StopIteration as end:
            neighbour.close()
            return end.value
        neighbour.resume()
        engine.advance()


def arrays(checkpoint):
    network = checkpoint.network
    return [*network.weights, *network.velocity, network.stream]


def test_a_checkpoint_of_another_run_is_refused_and_the_slot_is_free_again(four):
    model, settings = trial(epochs=1)
    start = four.run(model, settings, keep=True).checkpoint
    with pytest.raises(CheckpointError, match="seed=1: the checkpoint has seed=0"):
        four.run(*trial(seed=1), start=start)
    assert sorted(four._free) == [0, 1, 2, 3]


# Beside the TensorFlow engine, whose runs another process has made


def tensorflows() -> tuple[Path, dict]:
    folder = os.environ.get("TENSORFLOW_RUNS")
    if folder is None:
        pytest.skip("TENSORFLOW_RUNS is not set, as jax_engine/test_engine.py does")
    return Path(folder), json.loads((Path(folder) / "runs.json").read_text())


@pytest.mark.slow
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


@pytest.mark.slow
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
