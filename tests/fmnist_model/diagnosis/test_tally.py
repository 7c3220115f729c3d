"""Counts of several chunks sum up to what one pass over all images counts."""

from __future__ import annotations

import numpy as np
import pytest

from fmnist_model.diagnosis.tally import ActivityTally, LayerCount, OutputCount

RANDOM = np.random.default_rng(1)
HIDDEN = RANDOM.normal(size=(50, 6)).astype("f4") - np.array([0, 0, 0, 0, 9, 9], "f4")
LOGITS = RANDOM.normal(size=(50, 10)).astype("f4")
SATURATED = RANDOM.integers(0, 3, 50)


def counts(part: slice) -> list[LayerCount | OutputCount]:
    hidden, logits = HIDDEN[part], LOGITS[part]
    outputs, scale = np.maximum(hidden, 0), np.abs(hidden).max(0)
    pinned = np.float32((np.abs(hidden) > 5).mean())
    return [
        LayerCount(hidden.max(0) > 0, outputs.min(0), outputs.max(0), hidden.max(0), scale, pinned),
        OutputCount(
            (logits > 0).sum(),
            np.bincount(SATURATED[part], minlength=11),
            7 * len(hidden),
            np.abs(logits).min(0),
            np.abs(logits).max(0),
        ),
    ]


def tally(*parts: slice, relu_output: bool = True) -> ActivityTally:
    summed = ActivityTally(["dense1"], relu_output)
    for part in parts:
        summed.add(len(HIDDEN[part]), counts(part))
    return summed


def test_chunks_sum_up_to_the_whole():
    whole, chunks = tally(slice(50)), tally(slice(20), slice(20, 45), slice(45, 50))
    assert chunks.census(50) == whole.census(50)
    one, other = chunks.vital_signs(pinned=True), whole.vital_signs(pinned=True)
    assert one.pinned == pytest.approx(other.pinned, abs=1e-4)
    assert (one.dead_fraction, one.scale) == (other.dead_fraction, other.scale)


def test_a_census_says_what_was_counted():
    census = tally(slice(50)).census(50)
    layer = census.layers["dense1"]
    assert (census.images, census.complete, layer.units, layer.active) == (50, True, 6, 4)
    assert census.output.saturated == tuple(np.bincount(SATURATED, minlength=11))
    assert (census.output.open, census.output.label_saturated) == ((LOGITS > 0).sum(), 350)


def test_a_part_of_the_images_is_not_complete():
    assert not tally(slice(20)).census(50).complete


def test_without_a_relu_output_there_is_no_output_to_count():
    assert tally(slice(50), relu_output=False).census(50).output is None


def test_the_margin_is_that_of_the_unit_nearest_to_opening():
    summed = ActivityTally(["dense1"], relu_output=False)
    hidden, output = counts(slice(50))
    dead = hidden._replace(
        moving=np.array([False, False]),
        low=np.zeros(2, "f4"),
        high=np.zeros(2, "f4"),
        highest=np.array([-1.0, -3.0], "f4"),
        scale=np.array([10.0, 4.0], "f4"),
    )
    summed.add(50, [dead, output])
    assert summed.census(50).layers["dense1"].margin == pytest.approx(0.1)
    assert not summed.all_alive()


def test_a_scale_beyond_all_floats_is_the_greatest_float():
    hidden, output = counts(slice(50))
    summed = ActivityTally(["dense1"], relu_output=False)
    summed.add(50, [hidden._replace(scale=np.full(6, np.inf, "f4")), output])
    scale = summed.vital_signs(pinned=False).scale["dense1"]
    assert scale == float(np.finfo(np.float32).max)
