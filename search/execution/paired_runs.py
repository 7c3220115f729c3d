"""Trains named arms with the same seeds, each run a trial of a study, so that arms can be paired.

A run becomes a trial once it has ended, so that whatever is interrupted is simply not there yet.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.evaluation import Network, evaluate_networks, train_on_test
from fmnist_model.training import RunResult
from fmnist_model.utils import (
    ProjectPaths,
    Remedy,
    UserError,
    atomic_path,
    versions,
    write_atomically,
)
from search.storage import open_read_only, open_storage, storage_errors_explained
from search.study import TrialRecord, check_data

if TYPE_CHECKING:
    from fmnist_model.tensorflow_engine import TensorFlowEngine

COMPARISON_KEY = "comparison"
"""The user attribute of a study that is one of these, with what all of its runs share."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class PairedRun:
    """One run: which arm, how fast it learns, and its seed."""

    arm: str
    learning_rate: float
    seed: int


@dataclass(frozen=True)
class PairedComparison:
    """Arms by name, and what all of their runs share; `limit` keeps so many training images.

    What is kept of it lies below `paths`.
    """

    name: str
    arms: Mapping[str, ModelConfig]
    paths: ProjectPaths
    epochs: int = 10
    batch_size: int = 1000
    limit: int | None = None

    @property
    def directory(self) -> Path:
        """Where what does not fit into a database is kept."""
        return self.paths.results / self.name

    def settings(self, run: PairedRun) -> TrainConfig:
        """How a run is trained."""
        return TrainConfig(
            batch_size=self.batch_size,
            epochs=self.epochs,
            learning_rate=run.learning_rate,
            seed=run.seed,
            # What is proved needs no showing; a mask might still revive what is not.
            on_stuck="record" if self.arms[run.arm].dropout > 0 else "stop",
        )

    def weights(self, run: PairedRun) -> Path:
        """The file of the weights that a run ended with."""
        name = f"{run.arm}-{run.learning_rate:g}-{run.seed}".replace(" ", "_")
        return self.directory / "weights" / f"{name}.npz"

    def identity(self) -> dict[str, Any]:
        """All that makes runs comparable, as plain values."""
        arms = {name: model.model_dump(mode="json") for name, model in self.arms.items()}
        shared = {"epochs": self.epochs, "batch_size": self.batch_size, "limit": self.limit}
        return {"arms": arms, **shared}


OnRun = Callable[[PairedRun, RunResult], None]


def train_runs(
    comparison: PairedComparison,
    runs: Sequence[PairedRun],
    url: str,
    data: Path | None,
    say: Say,
    on_run: OnRun,
    keep_weights: bool = True,
) -> Study:
    """Train those of `runs` that the study lacks, in their order, and keep weights if told to.

    A run whose weights are to be kept and are gone is trained again. A stuck run whose arm has
    dropout goes on to its last epoch: that it stays so is not proved. Raises UserError where the
    study was begun with other arms, epochs or data.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with storage_errors_explained(url):
        study = _open(comparison, url)
        done = _runs(study)

        def lacks(run: PairedRun) -> bool:
            return run not in done or (keep_weights and not comparison.weights(run).exists())

        missing = [run for run in runs if lacks(run)]
        if not missing:
            return study
        engine = _engine(comparison, study, data, say)
        for run in missing:
            result = engine.run(comparison.arms[run.arm], comparison.settings(run))
            if keep_weights:
                with atomic_path(comparison.weights(run)) as scratch:
                    np.savez(scratch, *engine.weights())
            if run not in done:
                study.add_trial(_trial(comparison, run, result))
            on_run(run, result)
    return study


def judge_runs(
    comparison: PairedComparison,
    runs: Sequence[PairedRun],
    data: Path | None,
    say: Say,
    on_judged: Callable[[int], None],
) -> list[dict[str, Any]]:
    """Judge the runs' networks on the test set, opened once for all; a second call only reads.

    Written to test.json: arm, learning_rate, seed, loss and accuracy of each run.
    """
    path = comparison.directory / "test.json"
    judged = read_judged(comparison)
    if {PairedRun(r["arm"], r["learning_rate"], r["seed"]) for r in judged} >= set(runs):
        return judged
    networks = [_network(comparison, run) for run in runs]
    purpose = "the arms of the comparison"
    data_home = comparison.paths.data
    scores = evaluate_networks(
        comparison.directory, purpose, networks, data, say, on_judged, data_home
    )
    judged = [
        {**asdict(run), "loss": loss, "accuracy": accuracy}
        for run, (loss, accuracy) in zip(runs, scores, strict=True)
    ]
    write_atomically(path, json.dumps(judged, indent=2))
    return judged


def read_judged(comparison: PairedComparison) -> list[dict[str, Any]]:
    """What `judge_runs` wrote; nothing where it has not been called."""
    path = comparison.directory / "test.json"
    found: list[dict[str, Any]] = json.loads(path.read_text("utf-8")) if path.exists() else []
    return found


def leaky_of(comparison: PairedComparison) -> PairedComparison:
    """The comparison whose study `train_leaky` fills."""
    return replace(comparison, name=f"{comparison.name}-leaky")


def runs_done(comparison: PairedComparison, url: str) -> set[PairedRun]:
    """The runs that the comparison's study has. The database is not written to."""
    with suppress(UserError):
        storage = open_read_only(url)
        if comparison.name in optuna.get_all_study_names(storage):
            study = optuna.load_study(study_name=comparison.name, storage=storage)
            return _runs(study)
    return set()


def train_leaky(
    comparison: PairedComparison,
    runs: Sequence[PairedRun],
    url: str,
    data: Path | None,
    say: Say,
    on_run: OnRun,
) -> None:
    """Train the runs' networks on, on the test set, into a study of its own: see `leaky_of`.

    That is the paper's protocol, not a sound one: see
    `fmnist_model.evaluation.final_evaluation.train_on_test`.
    """
    leaky = leaky_of(comparison)
    with storage_errors_explained(url):
        study = _open(leaky, url)
        done = _runs(study)
        missing = [run for run in runs if run not in done]
        if not missing:
            return

        def keep(place: int, result: RunResult) -> None:
            study.add_trial(_trial(leaky, missing[place], result))
            on_run(missing[place], result)

        networks = [_network(comparison, run) for run in missing]
        where = (data, comparison.limit, say, keep, comparison.paths.data)
        train_on_test(comparison.directory, networks, *where)


def _network(comparison: PairedComparison, run: PairedRun) -> Network:
    def weights() -> list[np.ndarray]:
        with np.load(comparison.weights(run)) as arrays:
            return [arrays[name] for name in arrays.files]

    return Network(comparison.arms[run.arm], comparison.settings(run), weights)


def run_of(trial: FrozenTrial) -> PairedRun | None:
    """Which run a trial of such a study is; None if it is none, but was added by somebody."""
    if set(trial.params) != {"arm", "learning_rate", "seed"} or not trial.state.is_finished():
        return None
    return PairedRun(**trial.params)


def _runs(study: Study) -> set[PairedRun]:
    found = map(run_of, study.get_trials(deepcopy=False))
    return {run for run in found if run is not None}


def _open(comparison: PairedComparison, url: str) -> Study:
    study = optuna.create_study(
        storage=open_storage(url),
        study_name=comparison.name,
        direction="maximize",
        load_if_exists=True,
    )
    known = study.user_attrs.get(COMPARISON_KEY)
    if known is None and study.get_trials(deepcopy=False):
        problem = f"study {comparison.name!r} is not a comparison"
        raise UserError(problem, Remedy.TAKE_OTHER_DATABASE)
    if known is None:
        study.set_user_attr("versions", versions())
        study.set_user_attr(COMPARISON_KEY, comparison.identity())
    elif _with_new_defaults(known) != comparison.identity():
        problem = f"study {comparison.name!r} was begun with other arms, epochs or images"
        raise UserError(problem, Remedy.RESTORE_OR_TAKE_OTHER_DATABASE)
    return study


def _with_new_defaults(identity: dict[str, Any]) -> dict[str, Any]:
    """An identity as it would be written today, where configurations have more fields."""
    models = {name: ModelConfig(**model) for name, model in identity["arms"].items()}
    return identity | {"arms": {name: m.model_dump(mode="json") for name, m in models.items()}}


def _engine(
    comparison: PairedComparison, study: Study, data: Path | None, say: Say
) -> TensorFlowEngine:
    from fmnist_model.dataset import load_train, split
    from fmnist_model.utils import native_log_hidden

    images = load_train(data, say, comparison.paths.data)
    train, validation = split(images, comparison.limit)
    check_data(study, train.sha256)
    with native_log_hidden():
        from fmnist_model.tensorflow_engine import TensorFlowEngine

        return TensorFlowEngine(train, validation)


def _trial(comparison: PairedComparison, run: PairedRun, result: RunResult) -> FrozenTrial:
    """The run as a finished trial; as everywhere, a stuck or diverged one counts as pruned."""
    completed = result.stop_reason == "completed"
    return create_trial(
        state=TrialState.COMPLETE if completed else TrialState.PRUNED,
        value=result.value if completed else None,
        params={"arm": run.arm, "learning_rate": run.learning_rate, "seed": run.seed},
        distributions=_distributions(comparison),
        user_attrs=dict(TrialRecord.of_run(result).attributes),
        intermediate_values={
            m.epoch: m.val_accuracy for m in result.history if m.val_accuracy is not None
        },
    )


def _distributions(comparison: PairedComparison) -> dict[str, BaseDistribution]:
    return {
        "arm": CategoricalDistribution(list(comparison.arms)),
        "learning_rate": FloatDistribution(0.01, 1.0),
        "seed": IntDistribution(0, 999),
    }
