"""The final evaluation: retrain a configuration with several seeds, then open the test set once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.dataset import Images, Say, find_test, join, load_train, silent, split
from fmnist_model.dataset.fashion_mnist import load_test
from fmnist_model.evaluation import metrics
from fmnist_model.evaluation.exported_config import ExportedConfig, read_exported_config
from fmnist_model.training import EpochMetrics, RunResult
from fmnist_model.utils import atomic_path, native_log_hidden, versions, write_atomically

OnEpoch = Callable[[int, EpochMetrics], None]

MOST_WRONG_IMAGES = 36
"""How many of the images are kept that the networks are most confidently wrong about."""
LEAKY = "leaky: training on the test set"
OPENINGS = "test_set_openings.jsonl"
EVALUATION_PROTOCOL = (
    "retrained from new weights on training and validation images together, once a seed; the test "
    "set opened after the last seed had been trained; the saved model is the first seed's"
)


def _unheard(_seed: int, _metrics: EpochMetrics) -> None:
    """An `OnEpoch` that tells nobody."""


@dataclass(frozen=True)
class Retrained:
    """One seed's run and the weights it ended with."""

    run: RunResult
    weights: list[Any]


@dataclass(frozen=True)
class Network:
    """A trained network: its configurations, and a function that reads its weights."""

    model: ModelConfig
    train: TrainConfig
    weights: Callable[[], Sequence[Any]]


def evaluate(
    path: Path,
    seeds: int = 5,
    data: Path | None = None,
    say: Say = silent,
    on_epoch: OnEpoch = _unheard,
    data_home: Path | None = None,
) -> dict[str, Any]:
    """Retrain an exported configuration with several seeds and evaluate it once on the test set.

    Args:
        path: The TOML file of the configuration. Beside it evaluation.json, predictions.npz and
            model.keras are written, and a line to the log of openings before the test set is
            opened.
        seeds: How many networks are trained, with the seeds 0 to `seeds` - 1.
        data: The folder of the images' IDX or CSV files, as for `load_train`.
        say: Is called with a line about each thing that takes time or is odd.
        on_epoch: Is called with the seed and the metrics of each epoch.
        data_home: Where images are fetched to and cached, as for `load_train`.

    Returns:
        What evaluation.json holds: accuracy and loss with 95 % intervals over the seeds, the
        scores of each class, and each run.

    Raises:
        ConfigurationError: The file does not hold a configuration.
        DataError: Something is wrong with the images.

    Example:
        >>> from pathlib import Path
        >>> from fmnist_model.evaluation.final_evaluation import evaluate
        >>> found = evaluate(Path("best.toml"), seeds=2, data=Path("custom"))
        >>> sorted(found["accuracy"])
        ['high', 'low', 'mean', 'values']
        >>> found["test_set_opened"]
        1
    """
    configuration = read_exported_config(path)
    images = _training_images(configuration, data, say, data_home)
    find_test(data, data_home)  # missing files show before training and before one is counted
    runs = _retrain(configuration, images, seeds, on_epoch)
    purpose = {
        "seeds": seeds,
        "trial": configuration.provenance.get("trial"),
        "model": configuration.model.model_dump(mode="json"),
        "train": configuration.train.model_dump(mode="json"),
    }
    opened = _record_opening(path.parent / OPENINGS, purpose)
    test = load_test(data, say, data_home)
    scores = [_score(configuration.model, retrained.weights, test) for retrained in runs]
    report = _report(configuration, images, runs, test, scores) | {"test_set_opened": opened}
    _save_model(path.with_name("model.keras"), configuration.model, runs[0].weights)
    _save_predictions(path.with_name("predictions.npz"), test, scores)
    write_atomically(
        path.with_name("evaluation.json"), json.dumps(report, indent=2, allow_nan=False)
    )
    return report


def evaluate_networks(
    directory: Path,
    purpose: str,
    networks: Sequence[Network],
    data: Path | None,
    say: Say,
    on_evaluated: Callable[[int], None],
    data_home: Path | None = None,
) -> list[tuple[float, float]]:
    """Mean loss and accuracy of each network on the test set, opened once for all of them.

    A line with `purpose` goes to the log of openings in `directory` before. `on_evaluated` is
    called with the index of each network that is done.
    """
    find_test(data, data_home)
    with native_log_hidden():
        import keras  # noqa: F401
    _record_opening(directory / OPENINGS, {"purpose": purpose, "networks": len(networks)})
    test = load_test(data, say, data_home)
    found = []
    for place, network in enumerate(networks):
        scores = _score(network.model, network.weights(), test)
        found.append((scores.loss, scores.accuracy))
        on_evaluated(place)
    return found


def train_on_test(
    directory: Path,
    networks: Sequence[Network],
    data: Path | None,
    limit: int | None,
    say: Say,
    on_run: Callable[[int, RunResult], None],
    data_home: Path | None = None,
) -> None:
    """The paper's own protocol, `leaky`: train trained networks on, on the test set itself.

    They are validated on the validation images. The figures say how well a network learns images
    that it is then evaluated on, and nothing about new ones: they can only be compared with the
    paper's. `on_run` is called with the index of each network and its run. The log of openings
    calls this one leaky.
    """
    find_test(data, data_home)
    _, validation = split(load_train(data, say, data_home), limit)
    with native_log_hidden():
        from fmnist_model.tensorflow_engine import TensorFlowEngine
    _record_opening(directory / OPENINGS, {"purpose": LEAKY, "networks": len(networks)})
    test = load_test(data, say, data_home)
    with native_log_hidden():
        engine = TensorFlowEngine(test, validation)
    for place, network in enumerate(networks):
        on_run(place, engine.run(network.model, network.train, None, network.weights()))


def _training_images(
    configuration: ExportedConfig, data: Path | None, say: Say, data_home: Path | None
) -> Images:
    everything = load_train(data, say, data_home)
    train, validation = split(everything, configuration.data.limit)
    if configuration.data.sha256 not in (None, train.sha256):
        say("warning: these are other images than the configuration was searched on")
    return everything if configuration.data.limit is None else join(train, validation)


def _retrain(
    configuration: ExportedConfig, images: Images, seeds: int, on_epoch: OnEpoch
) -> list[Retrained]:
    with native_log_hidden():
        from fmnist_model.tensorflow_engine import TensorFlowEngine

        engine = TensorFlowEngine(images)
    runs = []
    for seed in range(seeds):

        def report(metrics: EpochMetrics, seed: int = seed) -> bool:
            on_epoch(seed, metrics)
            return False

        train = configuration.train.model_copy(update={"seed": seed})
        run = engine.run(configuration.model, train, report)
        runs.append(Retrained(run, engine.weights()))
    return runs


def _record_opening(log: Path, purpose: Mapping[str, Any]) -> int:
    """Note that the test set is about to be opened; return how often it has been, this included."""
    log.parent.mkdir(parents=True, exist_ok=True)
    line = {"opened": datetime.now(UTC).isoformat(timespec="seconds"), **purpose}
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return openings(log.parent)


def openings(directory: Path) -> int:
    """How often the study that keeps its results in `directory` has opened the test set."""
    log = directory / OPENINGS
    return len(log.read_text(encoding="utf-8").splitlines()) if log.exists() else 0


@dataclass(frozen=True)
class NetworkScores:
    """One network on the test set: mean loss, accuracy, and for each image the predicted class and
    the probabilities, float32 (n, 10), that the loss is computed from."""

    loss: float
    accuracy: float
    predicted: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]


def _score(model: ModelConfig, weights: Sequence[Any], test: Images) -> NetworkScores:
    """Evaluate the weights in the network that is saved: Keras's own layers, float32."""
    import keras

    from fmnist_model.network import cross_entropy, export_network, logits_network, probabilities

    network = logits_network(export_network(model, weights))
    pixels = test.pixels[..., np.newaxis].astype(np.float32) / 255
    logits = network.predict(pixels, batch_size=1000, verbose=0)
    outputs = keras.activations.get(model.output_activation)(logits)
    predicted = np.argmax(keras.ops.convert_to_numpy(outputs), axis=-1)
    losses = keras.ops.convert_to_numpy(cross_entropy(model.output_activation, logits, test.labels))
    chances = keras.ops.convert_to_numpy(probabilities(model.output_activation, logits))
    accuracy = float((predicted == test.labels).mean())
    return NetworkScores(float(losses.mean()), accuracy, predicted, chances)


def _report(
    configuration: ExportedConfig,
    images: Images,
    runs: Sequence[Retrained],
    test: Images,
    scores: Sequence[NetworkScores],
) -> dict[str, Any]:
    predicted = np.stack([one.predicted for one in scores])
    probabilities = np.stack([one.probabilities for one in scores])
    return {
        "study": configuration.provenance.get("study"),
        "protocol": EVALUATION_PROTOCOL,
        "accuracy": metrics.interval([one.accuracy for one in scores]),
        "loss": metrics.interval([one.loss for one in scores], highest=np.inf),
        "ensembles_of_the_seeds": metrics.ensembles(test.labels, predicted, probabilities),
        "calibration": metrics.calibration(test.labels, probabilities),
        "per_class": metrics.per_class(test.labels, predicted),
        "confusion_matrix": metrics.confusion(test.labels, predicted),
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
    kept = asdict(run)
    del kept["checks"]  # stored under the name that it has had from the first
    for absent in ("checkpoint", "continued_from", "earlier_seconds"):
        del kept[absent]  # it is trained from the beginning
    return kept | {"history": run.curves(), "looks": [check.to_dict() for check in run.checks]}


def _save_predictions(path: Path, test: Images, scores: Sequence[NetworkScores]) -> None:
    """Keep what each seed predicted, in few bytes, and the images that it was most wrong about.

    Arrays: labels uint8 (n,); predicted uint8 (seeds, n); probabilities float16 (seeds, n, 10);
    worst int (36,) and worst_pixels uint8 (36, 28, 28), the most confidently wrong first.
    """
    probabilities = np.stack([one.probabilities for one in scores])
    worst = metrics.most_wrong(test.labels, probabilities, MOST_WRONG_IMAGES)
    with atomic_path(path) as scratch:
        np.savez_compressed(
            scratch,
            labels=test.labels,
            predicted=np.stack([one.predicted for one in scores]).astype(np.uint8),
            probabilities=probabilities.astype(np.float16),
            worst=worst,
            worst_pixels=test.pixels[worst],
        )


def _save_model(path: Path, model: ModelConfig, weights: Sequence[Any]) -> None:
    from fmnist_model.network import export_network

    with atomic_path(path) as scratch:
        export_network(model, weights).save(scratch)
