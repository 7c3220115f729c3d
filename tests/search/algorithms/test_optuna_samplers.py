"""The private methods of Optuna's samplers that are replaced: they are called, and do the same."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna._transform import _SearchSpaceTransform
from optuna.distributions import FloatDistribution

from search.algorithms.optuna_samplers import OrdinalQMCSampler, StatelessCmaEsSampler

SPACE = {"x": FloatDistribution(0, 1), "y": FloatDistribution(0, 2)}


def test_the_state_computed_anew_is_the_one_that_optuna_would_have_pickled():
    """After 30 trials of Optuna's own sampler, in several generations."""
    study = optuna.create_study(sampler=optuna.samplers.CmaEsSampler(seed=1))
    study.optimize(
        lambda t: t.suggest_float("x", 0, 1) + (t.suggest_float("y", 0, 2) - 1) ** 2, n_trials=30
    )
    theirs = study.sampler._restore_optimizer(study.trials)
    mine = StatelessCmaEsSampler(seed=2)
    assert mine._restore_optimizer(study.trials) is None
    trans = _SearchSpaceTransform(study.trials[-1].distributions, transform_0_1=True)
    ours = mine._init_optimizer(trans, study.direction)
    assert ours.generation == theirs.generation > 2
    np.testing.assert_allclose(ours.mean, theirs.mean)
    np.testing.assert_allclose(ours._C, theirs._C)
    assert ours._sigma == pytest.approx(theirs._sigma)


def drawn(study: optuna.Study) -> dict[str, float]:
    trial = study.ask(SPACE)
    study.tell(trial, 0.5)
    return trial.params


@pytest.mark.filterwarnings("ignore:QMCSampler is experimental")
def test_a_point_of_the_sequence_is_that_of_the_ordinal():
    """Whatever points other trials of the study have used up."""
    study = optuna.create_study()
    drawn(study)  # the first trial of a study is sampled independently
    found = []
    for ordinal in (3, 5, 3):
        study.sampler = OrdinalQMCSampler(ordinal, seed=1)
        found.append(drawn(study))
    assert found[0] == found[2] != found[1]


def test_cma_es_stores_its_state_nowhere():
    study = optuna.create_study(sampler=StatelessCmaEsSampler(seed=1))
    for _ in range(12):
        drawn(study)
    names = {name for trial in study.trials for name in trial.system_attrs}
    assert "cma:generation" in names
    assert not [name for name in names if "optimizer" in name]
