"""Evidence names what might revive a layer; its stored keys stay as they are."""

from __future__ import annotations

import dataclasses

import pytest

from fmnist_model.diagnosis.census import Census, LayerCensus
from fmnist_model.diagnosis.evidence import Evidence, Moment, VitalSigns

CENSUS = Census(100, True, {"dense1": LayerCensus(8, 0, 0.1)}, None)
PROVED = Evidence(CENSUS, None, Moment(1, 3, 2.3), 5, 500, None, 0.0, 2.3)


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({}, []),
        ({"before_dropout": frozenset({"dense1"})}, []),
        ({"before_dropout": frozenset()}, ["another dropout mask"]),
        ({"after_momentum": CENSUS}, ["momentum"]),
        ({"rounding": 0.2}, ["rounding"]),
        ({"rounding": 0.1}, []),
        ({"other_recovery_paths": ("weight decay",)}, ["weight decay"]),
    ],
)
def test_recovery_paths(changes, paths):
    evidence = dataclasses.replace(PROVED, **changes)
    assert evidence.recovery_paths_of("dense1", margin=0.1) == paths


def test_stored_keys():
    assert list(PROVED.to_dict()) == [
        "quiet_steps",
        "quiet_images",
        "observed_loss",
        "census",
        "coasted",
    ]


def test_the_greatest_gain_is_by_layer():
    signs = VitalSigns(100, {}, {}, {"conv1": 2.0, "dense1": 0.0, "output": 3.0})
    assert signs.greatest_gain() == ("conv1", 2.0)


def test_the_first_saturated_layer_is_named():
    assert VitalSigns(1, {}, {"a": 0.89, "b": 0.9, "c": 1.0}, {}).saturated_layer() == "b"
    assert VitalSigns(1, {}, {"a": 0.89}, {}).saturated_layer() is None
