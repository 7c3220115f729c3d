"""A census tells which layers are dead."""

from __future__ import annotations

import json

from fmnist_model.diagnosis.census import Census, LayerCensus, OutputCensus

ALIVE, DEAD = LayerCensus(8, 1, 0.0), LayerCensus(8, 0, 0.5)
FROZEN = OutputCensus(0, (0, 0, 100, *[0] * 8), 20, 0.5)


def test_dead_layers_have_no_active_unit():
    census = Census(100, True, {"conv1": ALIVE, "conv2": DEAD, "dense1": DEAD}, None)
    assert census.dead_layers() == ["conv2", "dense1"]
    assert not census.output_is_dead()


def test_an_output_is_dead_only_where_all_images_were_counted():
    assert Census(100, True, {}, FROZEN).output_is_dead()
    assert not Census(100, False, {}, FROZEN).output_is_dead()
    assert not Census(100, True, {}, OutputCensus(1, FROZEN.saturated, 20, 0)).output_is_dead()


def test_it_is_plain_values():
    stored = Census(100, True, {"conv1": DEAD}, FROZEN).to_dict()
    assert json.loads(json.dumps(stored))["layers"]["conv1"] == {
        "units": 8,
        "active": 0,
        "margin": 0.5,
    }
