"""The data of an arm's curves."""

from __future__ import annotations

import pandas as pd

from studies.paper.arm_figures import arm_data
from studies.paper.arms import RELU


def test_a_frozen_arm_shows_each_seed_and_others_their_intervals():
    curves = pd.DataFrame(
        [
            {"arm": RELU, "seed": s, "epoch": e, "loss": 1.0 + s, "accuracy": 0.1}
            | {"val_loss": 1.0 + s, "val_accuracy": 0.1}
            for s in range(3)
            for e in (1, 2)
        ]
    )
    frozen = arm_data(RELU, "loss", curves, curves.iloc[:0])
    assert frozen.seeds["seed"].nunique() == 3
    assert [one.name for one in frozen.bands][:2] == ["ours, training", "ours, validation"]
    assert len(frozen.bands) == 4
    other = arm_data("sigmoid", "loss", curves, curves)
    assert other.seeds.empty
    assert other.bands[-1].name == "ours, leaky"
    assert other.bands[0].points["mean"].to_list() == [2, 2]
