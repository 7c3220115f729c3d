"""Optuna's figures: of completed trials only, escaped, and absent if Optuna cannot draw them."""

from __future__ import annotations

from optuna.distributions import CategoricalDistribution

from studies.figures import optuna_plots
from tests.studies.conftest import AXES, RISING, many, one_of_each, trial


def test_the_copy_has_completed_trials_alone_and_nothing_that_a_page_would_run():
    axes = AXES | {"activation": CategoricalDistribution(["relu", "<b>"])}
    trials = [*one_of_each(), trial("completed", RISING, 5, axes=axes, activation="<b>")]
    copied = optuna_plots.escaped_copy(trials).trials
    assert [t.params["activation"] for t in copied] == ["relu", "&lt;b&gt;"]
    assert copied[1].distributions["activation"].choices == ("relu", "&lt;b&gt;")


def test_importances_are_shares_of_each_hyperparameter():
    shares = optuna_plots.importances_data(optuna_plots.escaped_copy(many(60)))
    assert set(shares) == set(AXES)
    assert 0.99 < sum(shares.values()) < 1.01
    bars = optuna_plots.draw_importances(shares).data[0]
    assert list(bars.x) == list(shares.values())


def test_parallel_coordinates_show_the_best_strongest():
    study = optuna_plots.escaped_copy(many(60))
    lines = optuna_plots.draw_parallel(study).data
    values = [trace.y[0] for trace in lines]
    assert len(lines) == len(study.trials)
    assert values == sorted(values)
    assert lines[-1].opacity == 1.0 > lines[0].opacity


def test_one_trial_or_equal_ones_have_no_figure():
    for trials in ([trial("completed", RISING)], [trial("completed", RISING)] * 2):
        study = optuna_plots.escaped_copy(trials)
        assert optuna_plots.importances_data(study) is None
        assert optuna_plots.draw_parallel(study) is None
        assert optuna_plots.draw_edf(study) is None
