"""In a user's own objective, the callback prunes the trial and records the reason."""

from __future__ import annotations

import keras
import numpy as np
import optuna

from search.callback import StuckRunCallback
from tests.conftest import run_examples

X = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")


def objective(trial: optuna.Trial) -> float:
    bias = trial.suggest_categorical("bias", [0.0, -1e3])
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(
                8, activation="relu", bias_initializer=keras.initializers.Constant(bias)
            ),
            keras.layers.Dense(1),
        ]
    )
    model.compile("sgd", "mse")
    callback = StuckRunCallback(X, X[:, :1], trial=trial)
    history = model.fit(X, X[:, :1], epochs=2, verbose=0, callbacks=[callback])
    return history.history["loss"][-1]


def test_the_example_runs():
    assert run_examples(StuckRunCallback)


def test_a_stuck_trial_is_pruned_and_says_why():
    study = optuna.create_study(sampler=optuna.samplers.GridSampler({"bias": [0.0, -1e3]}))
    study.optimize(objective, n_trials=2)
    dead, alive = sorted(study.trials, key=lambda trial: trial.params["bias"])
    assert (dead.state, alive.state) == (
        optuna.trial.TrialState.PRUNED,
        optuna.trial.TrialState.COMPLETE,
    )
    assert dead.user_attrs["stop_reason"] == "stuck"
    assert dead.user_attrs["diagnosis"]["kind"] == "dead_layer"
