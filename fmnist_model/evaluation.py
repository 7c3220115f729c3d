"""The final judgement: retrain a configuration with several seeds, then open the test set once."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError

from fmnist_model.config import CLASSES, Frozen, ModelConfig, TrainConfig
from fmnist_model.data import CLASS_NAMES, Images, find_test, join, load_test, load_train, split
from fmnist_model.download import Say
from fmnist_model.errors import UserError, validation_sentence
from fmnist_model.files import write_whole
from fmnist_model.quiet import native_log_hidden
from fmnist_model.results import EpochMetrics, RunResult
from fmnist_model.versions import versions

OnEpoch = Callable[[int, EpochMetrics], None]

CONFIDENCE = 0.95
OPENINGS = "test_set_openings.jsonl"
PROTOCOL = (
    "retrained from new weights on training and validation images together, once a seed; the test "
    "set opened after the last seed had been trained; the saved model is the first seed's"
)


class EvaluationError(UserError):
    """The file of a configuration cannot be read or does not hold one."""


class DataSection(Frozen):
    """Which data the configuration was found on."""

    sha256: str | None = None
    limit: int | None = Field(None, ge=10)


class Configuration(Frozen):
    """What an exported TOML file holds; `provenance` is passed on as it is."""

    model: ModelConfig
    train: TrainConfig
    data: DataSection = DataSection()
    provenance: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class Retrained:
    """One seed's run and the weights it ended with."""

    run: RunResult
    weights: list[Any]


def read_configuration(path: Path) -> Configuration:
    """Read an exported configuration; raise EvaluationError with one sentence if it is faulty."""
    try:
        return Configuration.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise EvaluationError(
            f"{path}: no such file; make export writes a study's best configuration there"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise EvaluationError(f"{path}: cannot be read: {error}") from error
    except ValidationError as error:
        raise EvaluationError(validation_sentence(error, str(path))) from None


def evaluate(
    path: Path, seeds: int, data: Path | None, say: Say, on_epoch: OnEpoch
) -> dict[str, Any]:
    """Retrain the configuration in `path` with seeds 0 to `seeds` - 1 and judge it once.

    Writes evaluation.json and model.keras beside `path`, and a line to the log of openings before
    the test set is opened. `on_epoch` gets the seed and the figures of each epoch. Returns what
    evaluation.json holds. Raises EvaluationError and DataError.
    """
    configuration = read_configuration(path)
    images = _training_images(configuration, data, say)
    find_test(data)  # missing files show before the training and before an opening is counted
    runs = _retrain(configuration, images, seeds, on_epoch)
    opened = _record_opening(path.parent / OPENINGS, configuration, seeds)
    test = load_test(data, say)
    judged = [_judge(configuration.model, retrained.weights, test) for retrained in runs]
    report = _report(configuration, images, runs, test, judged) | {"test_set_opened": opened}
    _save_model(path.with_name("model.keras"), configuration.model, runs[0].weights)
    write_whole(path.with_name("evaluation.json"), json.dumps(report, indent=2, allow_nan=False))
    return report


def _training_images(configuration: Configuration, data: Path | None, say: Say) -> Images:
    everything = load_train(data, say)
    train, validation = split(everything, configuration.data.limit)
    if configuration.data.sha256 not in (None, train.sha256):
        say("warning: these are other images than the configuration was searched on")
    return everything if configuration.data.limit is None else join(train, validation)


def _retrain(
    configuration: Configuration, images: Images, seeds: int, on_epoch: OnEpoch
) -> list[Retrained]:
    with native_log_hidden():
        from fmnist_model.training import Engine

        engine = Engine(images)
    runs = []
    for seed in range(seeds):

        def report(metrics: EpochMetrics, seed: int = seed) -> bool:
            on_epoch(seed, metrics)
            return False

        train = configuration.train.model_copy(update={"seed": seed})
        run = engine.run(configuration.model, train, report)
        runs.append(Retrained(run, engine.weights()))
    return runs


def _record_opening(log: Path, configuration: Configuration, seeds: int) -> int:
    """Note that the test set is about to be opened; return how often it has been, this included."""
    line = {
        "opened": datetime.now(UTC).isoformat(timespec="seconds"),
        "seeds": seeds,
        "trial": configuration.provenance.get("trial"),
        "model": configuration.model.model_dump(mode="json"),
        "train": configuration.train.model_dump(mode="json"),
    }
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return len(log.read_text(encoding="utf-8").splitlines())


@dataclass(frozen=True)
class Judged:
    """One seed on the test set: mean loss, accuracy, and the predicted class of each image."""

    loss: float
    accuracy: float
    predicted: npt.NDArray[np.int64]


def _judge(model: ModelConfig, weights: Sequence[Any], test: Images) -> Judged:
    """Judge the weights in the very network that is saved: Keras's own layers, float32."""
    import keras

    from fmnist_model.network import cross_entropy, export_network, logits_network

    network = logits_network(export_network(model, weights))
    pixels = test.pixels[..., np.newaxis].astype(np.float32) / 255
    logits = network.predict(pixels, batch_size=1000, verbose=0)
    outputs = keras.activations.get(model.output_activation)(logits)
    predicted = np.argmax(keras.ops.convert_to_numpy(outputs), axis=-1)
    losses = keras.ops.convert_to_numpy(cross_entropy(model.output_activation, logits, test.labels))
    return Judged(float(losses.mean()), float((predicted == test.labels).mean()), predicted)


def _report(
    configuration: Configuration,
    images: Images,
    runs: Sequence[Retrained],
    test: Images,
    judged: Sequence[Judged],
) -> dict[str, Any]:
    from sklearn.metrics import confusion_matrix

    labels = range(CLASSES)
    matrices = [confusion_matrix(test.labels, j.predicted, labels=labels) for j in judged]
    return {
        "study": configuration.provenance.get("study"),
        "protocol": PROTOCOL,
        "accuracy": interval([j.accuracy for j in judged]),
        "loss": interval([j.loss for j in judged], highest=np.inf),
        "per_class": _per_class(test, judged),
        "confusion_matrix": np.sum(matrices, axis=0).tolist(),
        "confusion_matrix_is": "rows true, columns predicted, summed over the seeds",
        "runs": [_run_record(retrained.run) for retrained in runs],
        "images": {"train": len(images), "test": len(test)},
        "data_sha256": {"train": images.sha256, "test": test.sha256},
        "configuration": configuration.model_dump(mode="json"),
        "evaluated": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": runs[0].run.device,
        "precision": {"training": runs[0].run.precision, "test": "float32"},
        "versions": versions(),
    }


def _run_record(run: RunResult) -> dict[str, Any]:
    return asdict(run) | {"history": run.curves()}


def _per_class(test: Images, judged: Sequence[Judged]) -> dict[str, dict[str, Any]]:
    from sklearn.metrics import precision_recall_fscore_support

    scores = [
        precision_recall_fscore_support(
            test.labels, j.predicted, labels=range(CLASSES), zero_division=0
        )[:3]
        for j in judged
    ]
    table = np.asarray(scores)  # seeds x (precision, recall, F1) x classes
    return {
        name: {
            score: interval(table[:, which, number].tolist())
            for which, score in enumerate(("precision", "recall", "f1"))
        }
        for number, name in enumerate(CLASS_NAMES)
    }


def interval(values: Sequence[float], highest: float = 1.0) -> dict[str, Any]:
    """Mean and 95 % interval of the mean by Student's t over seeds, cut off at 0 and `highest`.

    One value has no interval, and values that are not finite have no mean either.
    """
    if not np.all(np.isfinite(values)):
        listed = [value if np.isfinite(value) else None for value in values]
        return {"mean": None, "low": None, "high": None, "values": listed}
    mean = float(np.mean(values))
    if len(values) < 2:
        return {"mean": mean, "low": None, "high": None, "values": list(values)}
    from scipy import stats

    error = float(stats.sem(values))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * error
    return {
        "mean": mean,
        "low": max(0.0, mean - half),
        "high": min(highest, mean + half),
        "values": list(values),
    }


def _save_model(path: Path, model: ModelConfig, weights: Sequence[Any]) -> None:
    from fmnist_model.network import export_network

    scratch = path.with_name(f".{path.stem}-{os.getpid()}{path.suffix}")
    try:
        export_network(model, weights).save(scratch)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
