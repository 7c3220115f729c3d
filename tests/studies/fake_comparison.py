"""The paper's comparison as if it had been trained: runs that were made up, for its page."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.execution.paired_runs import COMPARISON_KEY, PairedRun
from search.storage.connection import open_storage
from studies.paper.arms import (
    ARMS,
    COMPARISON_NAME,
    DROPOUT,
    RELU,
    SIGMOID,
    SOFTMAX,
    arm_runs,
    comparison,
)
from studies.paper.summary_figures import frozen_levels
from tests.conftest import PATHS
from tests.studies.conftest import URL

TOP = {SIGMOID: 0.69, RELU: 0.1, DROPOUT: 0.1, SOFTMAX: 0.85}
EPOCHS = 10


def made_up(run: PairedRun) -> FrozenTrial:
    """A run: frozen at once with a ReLU output, else the better, the nearer its rate is to 0.3."""
    draw = random.Random(f"{run}")
    frozen = run.arm in (RELU, DROPOUT)
    top = TOP.get(run.arm, 0.75) - abs(run.learning_rate - 0.3) / 10 + draw.gauss(0, 0.003)
    loss = frozen_levels()[draw.randint(1, 10)]
    ran = 1 if run.arm == RELU else EPOCHS
    rises = [0.1 if frozen else top * (1 - 0.5**epoch) for epoch in range(1, ran + 1)]
    falls = [loss if frozen else 2.3 - 2 * accuracy for accuracy in rises]
    history = {"loss": falls, "accuracy": rises, "val_loss": falls, "val_accuracy": rises}
    dead = {"kind": "dead_output", "certain": run.arm == RELU, "explained_loss": loss}
    stopped = run.arm == RELU
    return create_trial(
        state=TrialState.PRUNED if stopped else TrialState.COMPLETE,
        value=None if stopped else rises[-1],
        params={"arm": run.arm, "learning_rate": run.learning_rate, "seed": run.seed},
        distributions={
            "arm": CategoricalDistribution(list(ARMS)),
            "learning_rate": FloatDistribution(0.01, 1.0),
            "seed": IntDistribution(0, 999),
        },
        intermediate_values=dict(enumerate(rises, 1)),
        user_attrs={
            "stop_reason": "stuck" if stopped else "completed",
            "recorded": {"epoch": 1, "step": 6} if run.arm == DROPOUT else None,
            "diagnosis": dead if frozen else {"kind": "healthy"},
            "history": history,
            "train_seconds": 60.0,
            "device": "CPU",
            "precision": "bfloat16",
        },
    )


def store_comparison(runs: Iterable[PairedRun], name: str = COMPARISON_NAME) -> list[PairedRun]:
    """Keep the runs as a study; what was kept."""
    kept = list(runs)
    study = optuna.create_study(storage=open_storage(URL), study_name=name, direction="maximize")
    study.set_user_attr(COMPARISON_KEY, comparison(PATHS).identity())
    study.add_trials([made_up(run) for run in kept])
    return kept


def judged(runs: Iterable[PairedRun]) -> Iterator[dict]:
    """What the test set says of them: a little worse than the validation images did."""
    for run in runs:
        history = made_up(run).user_attrs["history"]
        accuracy, loss = history["val_accuracy"][-1], history["val_loss"][-1]
        seen = {"accuracy": accuracy - 0.005, "loss": loss}
        yield {"arm": run.arm, "learning_rate": run.learning_rate, "seed": run.seed, **seen}


def store_all(rates: Iterable[PairedRun]) -> None:
    """A comparison of which all is done but for the rates, of which these are."""
    arms = arm_runs(range(10))
    store_comparison([*arms, *rates])
    store_comparison(arms, f"{COMPARISON_NAME}-leaky")
    home = comparison(PATHS).directory
    home.mkdir(parents=True, exist_ok=True)
    (home / "test.json").write_text(json.dumps(list(judged(arms))))
    lines = [{"purpose": "the arms of the comparison"}, {"purpose": "leaky"}]
    (home / "test_set_openings.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
