"""The paper's numbers: ten epochs of each measure; the closed form explains the frozen arms."""

from __future__ import annotations

import pytest

from fmnist_model.diagnosis.frozen_losses import explain
from studies.paper.arms import ARMS, RELU
from studies.paper.published import PUBLISHED


@pytest.mark.parametrize("arm", PUBLISHED)
def test_each_measure_has_ten_epochs(arm):
    assert arm in ARMS
    for measure in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert len(getattr(PUBLISHED[arm], measure)) == 10


def test_the_loss_that_stays_is_one_that_a_dead_network_gives():
    assert len(set(PUBLISHED[RELU].loss)) == 1
    assert "11.0572" in explain(PUBLISHED[RELU].loss[0])
