"""From evidence to diagnosis: the paper's closed form, and when a death is proved."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from fmnist_model.health import Census, Moment, diagnose_stuck, diverged, frozen_loss, living

ONSET = Moment(epoch=1, step=3, loss=11.06)
PAPER = [(2, 13.5876), (3, 12.3813), (4, 11.0572), (5, 9.6685), (6, 8.2390), (7, 6.7813)]
PAPER += [(8, 5.3031), (9, 3.8090), (10, 2.3026)]


def census(k=4, images=10_000, opened=0, complete=True, active=None) -> Census:
    """k outputs saturated on every image of a balanced set, all hidden layers alive."""
    saturated = [0] * 11
    saturated[k] = images
    layers = {"conv1": 32, "conv2": 64, "dense1": 128}
    return Census(
        images,
        complete,
        layers | (active or {}),
        layers,
        opened,
        tuple(saturated),
        images * k // 10,
    )


def diagnose(clean, masked=None, momentum=0.0):
    below = frozenset({"conv1", "conv2"})
    return diagnose_stuck(clean, masked, ONSET, 5, momentum, below, math.log(10))


@pytest.mark.parametrize(("k", "loss"), PAPER)
def test_the_frozen_losses_of_the_paper(k, loss):
    found = census(k)
    assert frozen_loss(found.saturated, found.label_saturated) == pytest.approx(loss, abs=2e-4)


def test_all_outputs_dead_is_the_loss_of_guessing():
    assert frozen_loss((100, *[0] * 10), 0) == pytest.approx(math.log(10))


def test_images_with_different_numbers_of_saturated_outputs_are_averaged():
    half = frozen_loss((0, 50, 0, 50, *[0] * 7), 20)
    assert half == pytest.approx((50 * math.log(3) + 80 * 16.1181) / 100, abs=1e-4)


def test_a_dead_output_is_proved_without_dropout_and_momentum():
    diagnosis = diagnose(census())
    assert (diagnosis.kind, diagnosis.certain, diagnosis.live_outputs) == ("dead_output", True, 4)
    assert "4 outputs are saturated and 6 outputs are zero" in diagnosis.message
    assert "step 3 of epoch 1" in diagnosis.message
    assert "= 11.0572" in diagnosis.message


@pytest.mark.parametrize(
    ("change", "way_out"),
    [
        ({"masked": census()}, "another dropout mask"),
        ({"momentum": 0.9}, "momentum"),
        ({"masked": census(), "momentum": 0.9}, "another dropout mask or momentum"),
    ],
)
def test_dropout_or_momentum_make_it_uncertain(change, way_out):
    diagnosis = diagnose(census(), **change)
    assert diagnosis.kind == "dead_output"
    assert not diagnosis.certain
    assert f"(not proved: {way_out} might still revive it)" in diagnosis.message


def test_one_open_output_on_one_image_is_alive():
    assert diagnose(census(opened=1)) is None


def test_a_census_that_was_cut_short_proves_no_dead_output():
    assert diagnose(census(complete=False)) is None


def test_alive_under_some_mask_is_alive():
    assert diagnose(census(), masked=census(opened=3)) is None


def test_a_dead_layer_below_dropout_is_proved_whatever_the_masks():
    dead = census(opened=9, active={"conv2": 0})
    diagnosis = diagnose(dead, masked=census(opened=9, active={"dense1": 0}))
    assert (diagnosis.kind, diagnosis.layer, diagnosis.certain) == ("dead_layer", "conv2", True)
    assert diagnosis.explained_loss == pytest.approx(math.log(10))


def test_a_dead_layer_above_dropout_needs_the_masks_to_agree():
    dead = census(opened=9, active={"dense1": 0})
    assert diagnose(dead, masked=census(opened=9)) is None
    diagnosis = diagnose(dead, masked=dead)
    assert (diagnosis.layer, diagnosis.certain) == ("dense1", False)


def test_the_first_dead_layer_is_named():
    dead = census(opened=9, active={"conv1": 0, "dense1": 0})
    assert diagnose(dead).layer == "conv1"


def test_other_activations_have_nothing_to_die_of():
    alive = replace(census(opened=None), active={}, units={}, saturated=None, label_saturated=None)
    assert diagnose(alive) is None


def test_diverged_names_the_step():
    diagnosis = diverged(Moment(2, 7, float("nan")), "loss")
    assert diagnosis.kind == "non_finite"
    assert diagnosis.message == "the loss is not finite at step 7 of epoch 2"


@pytest.mark.parametrize(
    ("loss", "kind"),
    [(2.3025, "slow"), (0.4, "healthy"), (9.0, "healthy"), (1e8, "exploded")],
)
def test_slow_is_the_loss_of_guessing(loss, kind):
    assert living(loss, math.log(10)).kind == kind
