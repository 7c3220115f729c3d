"""Trains several named configurations, the arms, with the same seeds, so that arms can be compared
in pairs. Each run is a trial of a study.

A run is added to the study only after it has ended: one that was interrupted leaves no trace.
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
"""The user attribute of a comparison's study that holds what all of its runs share."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class PairedRun:
    """One run: the name of its arm, its learning rate and its seed."""

    arm: str
    learning_rate: float
    seed: int


@dataclass(frozen=True)
class PairedComparison:
    """The arms of a comparison by name, and what all of their runs share.

    Args:
        name: The name of the study and of its folder of results.
        arms: The network of each arm.
        paths: The project's folders, below which results and data are kept.
        epochs: How many epochs each run trains for.
        batch_size: The number of images in a batch.
        limit: If given, only this many training images are used.
    """

    name: str
    arms: Mapping[str, ModelConfig]
    paths: ProjectPaths
    epochs: int = 10
    batch_size: int = 1000
    limit: int | None = None

    @property
    def directory(self) -> Path:
        """The folder of the files that belong to the comparison, such as weights."""
        return self.paths.results / self.name

    def settings(self, run: PairedRun) -> TrainConfig:
        """The training configuration of a run."""
        return TrainConfig(
            batch_size=self.batch_size,
            epochs=self.epochs,
            learning_rate=run.learning_rate,
            seed=run.seed,
            # Without dropout it is proved that a stuck run stays stuck, so it may stop early. With
            # dropout it is not proved: another dropout mask might revive the network.
            on_stuck="record" if self.arms[run.arm].dropout > 0 else "stop",
        )

    def weights(self, run: PairedRun) -> Path:
        """The file that holds the weights with which a run ended."""
        name = f"{run.arm}-{run.learning_rate:g}-{run.seed}".replace(" ", "_")
        return self.directory / "weights" / f"{name}.npz"

    def identity(self) -> dict[str, Any]:
        """What two runs must share to be comparable, as values that JSON can hold."""
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
    """Train those of `runs` that the study lacks, in the given order.

    A stuck run whose arm has dropout continues to its last epoch, because it is not proved that it
    stays stuck.

    Args:
        comparison: The arms, and what their runs share.
        runs: The runs that the study shall have.
        url: The URL of the study's database.
        data: The folder that contains the images; None takes the project's own.
        say: Called with each message.
        on_run: Called with each run that has been trained, and its result.
        keep_weights: Whether to save each run's weights; then a run is trained again, too, if its
            file of weights is missing.

    Returns:
        The study.

    Raises:
        UserError: The study was begun with other arms, epochs or data.
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


def evaluate_runs(
    comparison: PairedComparison,
    runs: Sequence[PairedRun],
    data: Path | None,
    say: Say,
    on_evaluated: Callable[[int], None],
) -> list[dict[str, Any]]:
    """Evaluate the runs' networks on the test set, which is opened once for all of them.

    The result is one dictionary for each run, with arm, learning_rate, seed, loss and accuracy. It
    is written to test.json, and a second call only reads that file. `on_evaluated` is called with
    the index of each run that has been evaluated.
    """
    path = comparison.directory / "test.json"
    known = read_test_scores(comparison)
    if {PairedRun(r["arm"], r["learning_rate"], r["seed"]) for r in known} >= set(runs):
        return known
    networks = [_network(comparison, run) for run in runs]
    purpose = "the arms of the comparison"
    data_home = comparison.paths.data
    scores = evaluate_networks(
        comparison.directory, purpose, networks, data, say, on_evaluated, data_home
    )
    evaluated = [
        {**asdict(run), "loss": loss, "accuracy": accuracy}
        for run, (loss, accuracy) in zip(runs, scores, strict=True)
    ]
    write_atomically(path, json.dumps(evaluated, indent=2))
    return evaluated


def read_test_scores(comparison: PairedComparison) -> list[dict[str, Any]]:
    """What `evaluate_runs` wrote; an empty list if it has not been called yet."""
    path = comparison.directory / "test.json"
    scores: list[dict[str, Any]] = json.loads(path.read_text("utf-8")) if path.exists() else []
    return scores


def leaky_of(comparison: PairedComparison) -> PairedComparison:
    """The comparison to whose study `train_leaky` adds its runs."""
    return replace(comparison, name=f"{comparison.name}-leaky")


def runs_done(comparison: PairedComparison, url: str) -> set[PairedRun]:
    """The runs that the comparison's study contains. The database is only read."""
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
    """Continue to train the runs' networks, this time on the test set.

    The results are added to a separate study, that of `leaky_of`. This repeats the paper's
    protocol, which is not sound: see `fmnist_model.evaluation.final_evaluation.train_on_test`. The
    arguments are those of `train_runs`.
    """
    leaky = leaky_of(comparison)
    with storage_errors_explained(url):
        study = _open(leaky, url)
        done = _runs(study)
        missing = [run for run in runs if run not in done]
        if not missing:
            return

        def keep(index: int, result: RunResult) -> None:
            study.add_trial(_trial(leaky, missing[index], result))
            on_run(missing[index], result)

        networks = [_network(comparison, run) for run in missing]
        where = (data, comparison.limit, say, keep, comparison.paths.data)
        train_on_test(comparison.directory, networks, *where)


def _network(comparison: PairedComparison, run: PairedRun) -> Network:
    def weights() -> list[np.ndarray]:
        with np.load(comparison.weights(run)) as arrays:
            return [arrays[name] for name in arrays.files]

    return Network(comparison.arms[run.arm], comparison.settings(run), weights)


def run_of(trial: FrozenTrial) -> PairedRun | None:
    """The run that a trial of a comparison's study records; None if another program added the
    trial."""
    if set(trial.params) != {"arm", "learning_rate", "seed"} or not trial.state.is_finished():
        return None
    return PairedRun(**trial.params)


def _runs(study: Study) -> set[PairedRun]:
    runs = map(run_of, study.get_trials(deepcopy=False))
    return {run for run in runs if run is not None}


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
    """A stored identity, with the defaults of fields that configurations have got since then."""
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
    """The run as a finished trial; as in a search, a stuck or diverged one has the state PRUNED."""
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
