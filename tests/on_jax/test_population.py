"""Slots that share a program share nothing else: whatever the neighbours do, a trial is itself."""

from __future__ import annotations

import re

import jax
import keras
import numpy as np
import pytest

from tests.on_jax.conftest import MODEL, TRAIN, made
from tests.on_jax.population_helpers import Watched, train

RATES = {"learning_rate": 0.3, "momentum": 0.5}
TRIALS = [
    (MODEL.model_copy(update={"dropout": 0.25}), TRAIN.model_copy(update={"seed": 1})),
    (
        MODEL.model_copy(update={"activation": "sigmoid"}),
        TRAIN.model_copy(update={"seed": 2, **RATES}),
    ),
    (
        MODEL.model_copy(update={"activation": "gelu", "dropout": 0.4}),
        TRAIN.model_copy(update={"seed": 3, "epochs": 3}),
    ),
    (
        MODEL.model_copy(update={"activation": "elu", "output_activation": "sigmoid"}),
        TRAIN.model_copy(update={"seed": 4, "learning_rate": 0.02, "epochs": 1}),
    ),
]
EXPLODING = (
    MODEL.model_copy(update={"activation": "elu"}),
    TRAIN.model_copy(update={"learning_rate": 1e30, "seed": 5}),
)
DYING = (
    MODEL.model_copy(update={"output_activation": "relu"}),
    TRAIN.model_copy(update={"learning_rate": 2.0, "seed": 6}),
)


def assert_same(one, other, exactly):
    assert len(one.epochs) == len(other.epochs)
    for ours, theirs in zip(one.epochs, other.epochs, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            if exactly:
                np.testing.assert_array_equal(a, b)
            else:
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def side_by_side(four):
    return train(four, TRIALS)


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
    drawn = [v for v in alone._banks[0].of(0).state if v.shape == (2,)]
    np.testing.assert_array_equal(drawn, [[TRIALS[number][1].seed, own.result.steps_run]])


def test_neighbours_change_nothing_to_the_last_bit(four):
    """Other ones, ones that end earlier, are replaced or explode, and a slot that was used."""
    first, watched = TRIALS[0], TRIALS[2]
    (_, expected, *_) = train(four, [first, watched, TRIALS[1], TRIALS[3]])
    crowd = [EXPLODING, watched, DYING, TRIALS[3], EXPLODING, TRIALS[0], watched, DYING, watched]
    ended = train(four, crowd)
    (found,) = [hand for hand in ended[:4] if hand.slot == 1]
    assert_same(expected, found, exactly=True)
    assert found.result.curves() == expected.result.curves()
    again = [hand for hand in ended[4:] if hand.result.seed == watched[1].seed]
    assert len(again) == 2
    for hand in again:
        assert_same(expected, hand, exactly=hand.slot == 1)
    assert {hand.result.stop_reason for hand in ended} >= {"completed", "diverged", "stuck"}


def test_what_is_not_a_number_stays_in_its_slot(four):
    """Weights that are none at all, in every other slot, from the beginning on."""
    expected = train(four, [TRIALS[3], TRIALS[0]])[1]
    broken = [np.full_like(value, np.nan) for value in four.weights(0)]
    trials = [(EXPLODING, broken), (TRIALS[0], None), (EXPLODING, broken), (EXPLODING, broken)]
    hands = [Watched(four, *each) for each in trials]
    while hands[1].result is None:
        four.advance()
        for hand in hands:
            hand.result or hand.resume()
    for slot in (0, 2, 3):
        assert np.isnan(four.weights(slot)[0]).all()
    assert_same(expected, hands[1], exactly=True)


def test_a_slot_that_is_given_up_while_its_bank_is_at_work_can_be_filled_at_once(four):
    """As after Ctrl-C; what was under way comes back later, and is nobody's."""
    expected = train(four, TRIALS)
    hands = [Watched(four, trial) for trial in (EXPLODING, TRIALS[1], DYING, TRIALS[3])]
    four.advance()
    given_up = next(hand for hand in hands if four._place(hand.slot)[0].at_work)
    given_up.close()
    fresh = Watched(four, TRIALS[given_up.slot])
    assert fresh.slot == given_up.slot
    while fresh.result is None:
        four.advance()
        for hand in (fresh, *hands):
            hand is given_up or hand.result or hand.resume()
    for hand in hands:
        hand.close()
    assert_same(expected[fresh.slot], fresh, exactly=True)


def test_one_bank_trains_while_the_runs_of_the_other_are_seen_to(four):
    hands = [Watched(four, trial) for trial in TRIALS]
    at_work = []
    for _ in range(4):
        four.advance()
        at_work.append([bank.at_work for bank in four._banks])
        for hand in hands:
            hand.result or hand.resume()
    assert sorted(at_work[:2]) == [[False, True], [True, False]]
    assert at_work[2:] == at_work[:2]
    for hand in hands:
        hand.close()


def test_in_bfloat16_a_slot_is_itself_too(images):
    """It is what GPUs train in."""
    trials = [
        (model, settings.model_copy(update={"precision": "bfloat16"}))
        for model, settings in (*TRIALS, EXPLODING)
    ]
    four = made(images, 4, train=trials[0][1])
    expected = train(four, trials[:4])
    again = train(four, [trials[4], *trials[1:4]])
    for one, other in zip(expected[1:], again[1:], strict=True):
        assert_same(one, other, exactly=True)


@pytest.mark.parametrize("name", ["Dense", "GroupedConvolution", "MatrixConvolution"])
def test_a_bias_in_bfloat16_has_its_whole_gradient(name):
    """A sum of equal terms in bfloat16 would end at 256 of them."""
    from fmnist_model.jax_engine import layers

    dense = name == "Dense"
    layer = getattr(layers, name)(4, *(() if dense else (3,)), dtype="mixed_bfloat16")
    pixels = np.zeros((1000, 8) if dense else (1000, 8, 8, 1), np.float32)
    network = keras.Sequential([keras.Input(pixels.shape[1:]), layer])

    def total(weights):
        outputs = network.stateless_call(weights, [], pixels)[0]
        assert outputs.dtype == "bfloat16"
        return outputs.astype("float32").sum()

    _, bias = jax.grad(total)([variable.value for variable in layer.trainable_variables])
    np.testing.assert_array_equal(bias, 1000 if dense else 36000)


def test_refilling_never_compiles(four):
    """Whatever the next trial is; looks at dead networks are compiled once for each activation."""
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
    bank = made(images, 4, train=settings, convolution=convolution)._banks[0]
    lockstep = bank.lockstep
    traced = lockstep._advance.trace(
        bank._weights, bank._controls, bank._rates, bank._orders, *lockstep.train_images
    )
    text = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert "scatter" not in text
    products = re.findall(r"stablehlo\.(?:dot_general|convolution).* : \(tensor<\S*x(\w+)>", text)
    assert products.count("f32") == 3, "the output layer's, forward and backward"
    assert products.count("bf16") == 8


def test_grouped_convolutions_compute_the_same(images, alone):
    grouped = made(images, 2, convolution="grouped")
    (expected,) = train(alone, [TRIALS[0]])
    found = train(grouped, [TRIALS[0], TRIALS[1]])[0]
    assert_same(expected, found, exactly=False)


def test_what_needs_another_program_is_refused(four):
    with pytest.raises(ValueError, match="another program"):
        next(four.running(MODEL, TRAIN.model_copy(update={"batch_size": 50})))
    with pytest.raises(ValueError, match=r"the JAX engine does not support train\.flip"):
        next(four.running(MODEL, TRAIN.model_copy(update={"flip": True})))
    hands = [Watched(four, TRIALS[0]) for _ in range(4)]
    with pytest.raises(ValueError, match="all of the 4 slots are taken"):
        next(four.running(*TRIALS[0]))
    for hand in hands:
        hand.close()
    assert sorted(four._free) == [0, 1, 2, 3]


def test_an_activation_that_overflows_spoils_no_other():
    """Its slope would be infinite where it was not chosen, and 0 x infinity is not a number."""
    from fmnist_model.jax_engine.layers import chosen_activation

    names = ("relu", "mish", "softplus", "elu")
    x = np.array([-1e30, -1e3, 0.0, 1e3, 1e30], np.float32)
    for index, name in enumerate(names):
        found = jax.vmap(jax.grad(lambda v, i=index: chosen_activation(names, i, v)))(x)
        plain = jax.vmap(jax.grad(lambda v, n=name: keras.activations.get(n)(v)))(x)
        np.testing.assert_array_equal(found, plain)


def test_a_dead_layer_is_proved_at_the_first_look(four):
    """A bias that no image overcomes, as in the TensorFlow engine's own test."""
    four._banks[0].fill(0, *TRIALS[0])
    weights = four.weights(0)
    weights[5] = np.full_like(weights[5], -1e3)  # the bias of dense1
    hand = train(four, [(MODEL, TRAIN)], weights)[0]
    result = hand.result
    assert (result.stop_reason, result.steps_run) == ("stuck", 5)
    diagnosis = result.diagnosis
    assert (diagnosis.kind, diagnosis.layer, diagnosis.certain) == ("dead_layer", "dense1", True)
    recorded = train(four, [(MODEL, TRAIN.model_copy(update={"on_stuck": "record"}))], weights)[0]
    assert recorded.result.epochs_run == 2
    assert not recorded.result.recorded.moved


def test_a_loss_that_is_not_finite_is_diverged_and_one_that_explodes_is_exploded(four):
    exploded = (EXPLODING[0], TRAIN.model_copy(update={"learning_rate": 3.0, "epochs": 4}))
    first, second = (hand.result for hand in train(four, [EXPLODING, exploded]))
    assert (first.stop_reason, first.diagnosis.kind) == ("diverged", "non_finite")
    assert first.value is None
    assert first.diagnosis.layer is not None
    assert second.stop_reason == "diverged"


def test_velocity_is_taken_into_account(four):
    """Dead where it is; the velocity of a dead layer is zero, so it is dead where it goes, too."""
    four._banks[0].fill(0, *TRIALS[0])
    weights = four.weights(0)
    weights[5] = np.full_like(weights[5], -1e3)
    moving = TRAIN.model_copy(update={"momentum": 0.9, "epochs": 8, "learning_rate": 0.01})
    result = train(four, [(MODEL, moving)], weights)[0].result
    assert (result.stop_reason, result.diagnosis.certain) == ("stuck", False)
    assert result.diagnosis.evidence["ways_out"] == ["momentum"]
