"""From evidence to diagnosis: when a death is proved, and what the living are called."""

from __future__ import annotations

import math

import pytest

from fmnist_model.diagnosis.census import Census, LayerCensus, OutputCensus
from fmnist_model.diagnosis.diagnose import (
    diagnose_stuck,
    diverged,
    exploded,
    is_enough,
    living,
)
from fmnist_model.diagnosis.evidence import Evidence, Moment, VitalSigns
from tests.fmnist_model.examples import assert_examples_run

ONSET = Moment(epoch=1, step=3, loss=11.06)
NOW = Moment(epoch=4, step=48, loss=2.31)
SIGNS = VitalSigns(2000, {"dense1": 0.0}, {}, {"dense1": 4.0, "output": 8.0})


def census(k=4, images=10_000, opened=0, complete=True, dead=(), label_share=None, margin=0.1):
    """k outputs saturated on every image of a balanced set, all hidden layers alive."""
    saturated = [0] * 11
    saturated[k] = images
    share = k / 10 if label_share is None else label_share
    units = {"conv1": 32, "conv2": 64, "dense1": 128}
    return Census(
        images,
        complete,
        {n: LayerCensus(u, 0 if n in dead else u, margin) for n, u in units.items()},
        OutputCensus(opened, tuple(saturated), int(images * share), margin),
    )


BELOW = frozenset({"conv1", "conv2"})


def evidence(clean, after_momentum=None, rounding=0.0, before_dropout=None, zero_grad_images=5000):
    entropy = math.log(10)
    return Evidence(
        clean, after_momentum, ONSET, 5, zero_grad_images, before_dropout, rounding, entropy
    )


def diagnose(clean, **known):
    return diagnose_stuck(evidence(clean, **known))


def test_a_dead_output_is_proved_without_dropout_and_momentum():
    diagnosis = diagnose(census())
    assert (diagnosis.kind, diagnosis.certain, diagnosis.live_outputs) == ("dead_output", True, 4)
    assert "4 outputs are saturated and 6 outputs are zero" in diagnosis.message
    assert "step 3 of epoch 1" in diagnosis.message
    assert "= 11.0572" in diagnosis.message


@pytest.mark.parametrize(
    ("known", "path"),
    [
        ({"before_dropout": BELOW}, "another dropout mask"),
        ({"after_momentum": census()}, "momentum"),
        ({"before_dropout": BELOW, "after_momentum": census()}, "another dropout mask or momentum"),
        ({"rounding": 0.2}, "rounding"),
    ],
)
def test_what_might_revive_it_is_named_and_it_is_not_proved(known, path):
    diagnosis = diagnose(census(), **known)
    assert diagnosis.kind == "dead_output"
    assert not diagnosis.certain
    assert f"(not proved: {path} might still revive it)" in diagnosis.message


def test_one_open_output_on_one_image_is_alive():
    assert diagnose(census(opened=1)) is None


def test_a_census_that_was_cut_short_proves_no_dead_output():
    assert diagnose(census(complete=False)) is None


def test_where_momentum_carries_the_weights_it_must_be_dead_too():
    assert diagnose(census(), after_momentum=census(opened=3)) is None
    dead = census(opened=9, dead=["conv2"])
    assert diagnose(dead, after_momentum=census(opened=9)) is None


def test_a_frozen_output_that_has_learned_is_not_stuck():
    """Every image with its own label saturated alone: no gradient, and nothing left to learn."""
    assert diagnose(census(k=1, label_share=1.0)) is None
    assert diagnose(census(k=1, label_share=0.9)) is None
    assert diagnose(census(k=1, label_share=0.5)).kind == "dead_output"


def test_a_dead_layer_below_dropout_is_proved_whatever_the_masks():
    diagnosis = diagnose(census(opened=9, dead=["conv2"]), before_dropout=BELOW)
    assert (diagnosis.kind, diagnosis.layer, diagnosis.certain) == ("dead_layer", "conv2", True)
    assert diagnosis.explained_loss == pytest.approx(math.log(10))


def test_a_dead_layer_above_dropout_is_not_proved():
    diagnosis = diagnose(census(opened=9, dead=["dense1"]), before_dropout=BELOW)
    assert (diagnosis.layer, diagnosis.certain) == ("dense1", False)


@pytest.mark.parametrize(
    ("clean", "before_dropout", "zero_grad_images", "enough"),
    [
        (census(), None, 1, True),
        (census(), BELOW, 999, False),
        (census(), BELOW, 1000, True),
        (census(opened=9, dead=["conv2"]), BELOW, 1, True),
        (census(opened=9, dead=["dense1"]), BELOW, 9_999, False),
        (census(opened=9, dead=["dense1"]), BELOW, 10_000, True),
    ],
)
def test_what_is_not_proved_needs_images_without_a_gradient(
    clean, before_dropout, zero_grad_images, enough
):
    """A thousand of an output, as many as there are (10,000 here) of a hidden layer."""
    known = evidence(clean, before_dropout=before_dropout, zero_grad_images=zero_grad_images)
    assert is_enough(diagnose_stuck(known), known) is enough


def test_the_first_dead_layer_is_named():
    dead = census(opened=9, dead=["conv1", "dense1"])
    assert diagnose(dead).layer == "conv1"


def test_a_softmax_output_has_nothing_to_die_of():
    alive = census()
    assert diagnose(Census(alive.images, True, alive.layers, None)) is None


def test_diverged_names_the_step_and_the_layer():
    diagnosis = diverged(Moment(2, 7, math.nan), "loss", "the kernel of conv1 was", "conv1")
    assert (diagnosis.kind, diagnosis.layer) == ("non_finite", "conv1")
    assert diagnosis.message == (
        "the loss is not finite at step 7 of epoch 2: the kernel of conv1 was"
    )


def test_exploded_names_the_layer_that_magnifies_most():
    signs = VitalSigns(2000, {}, {}, {"conv1": 2.0, "dense1": 4e6, "output": 8e6})
    diagnosis = exploded(Moment(1, 9, 1e8), signs)
    assert (diagnosis.kind, diagnosis.layer, diagnosis.step) == ("exploded", "dense1", 9)
    assert "since step 9 of epoch 1 the loss, now 1e+08, is finite" in diagnosis.message
    assert "dense1 magnifies most, 2e+06 times" in diagnosis.message


@pytest.mark.parametrize(
    ("loss", "kind"),
    [(0.4, "healthy"), (2.2, "healthy"), (2.3025, "slow"), (9.0, "slow"), (1e8, "exploded")],
)
def test_the_living_are_called_by_their_loss(loss, kind):
    diagnosis = living(Moment(4, 48, loss), math.log(10), SIGNS)
    assert (diagnosis.kind, diagnosis.certain) == (kind, False)


def test_pinned_units_make_a_run_that_knows_nothing_saturated():
    signs = VitalSigns(2000, {}, {"dense1": 0.3, "dense2": 0.95}, {"dense1": 9.0})
    diagnosis = living(NOW, math.log(10), signs)
    assert (diagnosis.kind, diagnosis.layer, diagnosis.certain) == ("saturated", "dense2", False)
    assert "95% of the outputs of dense2 are pinned" in diagnosis.message
    assert living(Moment(4, 48, 0.4), math.log(10), signs).kind == "healthy"


def test_the_examples_run():
    assert_examples_run("fmnist_model.diagnosis.diagnose")
