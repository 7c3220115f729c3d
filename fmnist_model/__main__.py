"""python -m fmnist_model data | train | evaluate | predict | explain, without a search."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer

from fmnist_model.utils import PATHS, UserError, new_app, run, validation_sentence

app = new_app("Get the data, train a configuration, evaluate one on the test set, explain a loss.")

DataOption = Annotated[
    Path | None, typer.Option(help="Directory of the IDX or CSV files.  [default: fetched]")
]


def _say(message: str) -> None:
    print(message, flush=True)


@app.command()
def data(data: DataOption = None) -> None:
    """Fetch Fashion-MNIST if it is not there, check it, and say what it is."""
    from fmnist_model.dataset import load_train, split

    images = load_train(data, _say, PATHS.data)
    train, validation = split(images)
    print(
        f"{len(images):,} training images, split into {len(train):,} to train on and "
        f"{len(validation):,} to validate on; SHA-256 {images.sha256}"
    )


@app.command()
def train(
    architecture: str = "cnn",
    activation: str = "relu",
    output_activation: str = "softmax",
    dropout: float = 0.0,
    learning_rate: float = 0.2,
    momentum: float = 0.0,
    batch_size: int = 1000,
    epochs: int = 10,
    seed: int = 0,
    precision: str = "auto",
    limit: Annotated[int | None, typer.Option(min=10, help="So many training images.")] = None,
    data: DataOption = None,
) -> None:
    """Train one configuration on the training images and say how it went."""
    model, settings = _configurations(locals())
    from fmnist_model.dataset import load_train, split
    from fmnist_model.utils import native_log_hidden

    images = split(load_train(data, _say, PATHS.data), limit)
    with native_log_hidden():
        from fmnist_model.tensorflow_engine import TensorFlowEngine

        engine = TensorFlowEngine(*images)

    def report(metrics: Any) -> bool:
        print(
            f"epoch {metrics.epoch:>3}  loss {_figure(metrics.loss)}  "
            f"accuracy {metrics.accuracy:.4f}  val_loss {_figure(metrics.val_loss)}  "
            f"val_accuracy {metrics.val_accuracy:.4f}  {metrics.images_per_second:,.0f} images/s",
            flush=True,
        )
        return False

    result = engine.run(model, settings, report)
    print(
        f"{result.stop_reason} on {result.device}, {result.precision}: {result.diagnosis.message}"
    )


def _figure(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4f}"


def _configurations(given: dict[str, Any]) -> tuple[Any, Any]:
    from pydantic import ValidationError

    from fmnist_model.config import ModelConfig, TrainConfig

    try:
        model = {k: v for k, v in given.items() if k in ModelConfig.model_fields}
        train = {k: v for k, v in given.items() if k in TrainConfig.model_fields}
        return ModelConfig(**model), TrainConfig(**train)
    except ValidationError as error:
        raise UserError(validation_sentence(error, "option")) from None


@app.command()
def evaluate(
    configuration: Annotated[Path, typer.Argument(help="best.toml, as make export writes it.")],
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds to retrain with.")] = 5,
    data: DataOption = None,
) -> None:
    """Retrain a configuration with several seeds and evaluate it once on the test set."""
    from rich.console import Console
    from rich.progress import Progress

    from fmnist_model.evaluation import (
        evaluate as retrain_and_test,
        print_evaluation,
        read_exported_config,
    )

    console = Console()
    epochs = read_exported_config(configuration).train.epochs
    try:
        with Progress(console=console, disable=not console.is_terminal) as progress:
            task = progress.add_task("retraining", total=seeds * epochs)

            def on_epoch(seed: int, metrics: Any) -> None:
                loss = _figure(metrics.loss)
                figures = f"loss {loss}, accuracy {metrics.accuracy:.4f}"
                line = f"seed {seed}, epoch {metrics.epoch}: {figures} on the training images"
                progress.update(task, completed=seed * epochs + metrics.epoch, description=line)
                if not console.is_terminal and metrics.epoch == epochs:
                    _say(line)

            tell = progress.console.print
            found = retrain_and_test(configuration, seeds, data, tell, on_epoch, PATHS.data)
    except KeyboardInterrupt:
        print("interrupted; no evaluation was written", file=sys.stderr)
        sys.exit(130)
    directory = configuration.parent
    report = _report_command(found["configuration"]["provenance"], directory)
    print_evaluation(console, found, directory, f"{report} draws it")


def _report_command(provenance: Mapping[str, Any], directory: Path) -> str:
    """The command that draws the study, with the variables by which make finds it."""
    study, storage = provenance.get("study"), provenance.get("storage")
    command = "make report"
    if study not in (None, "paper"):
        command += f" NAME={quote(str(study))}"
    beside = f"sqlite:///{directory.parent}/studies.db"
    if storage in (None, beside) or "***" in str(storage):  # a password is not printed
        return command
    return f"{command} STORAGE={quote(str(storage))}"


@app.command()
def explain(
    loss: Annotated[float, typer.Argument(help="A loss that stays the same, such as 11.0572.")],
) -> None:
    """Say which state of a classifier of ten classes gives a constant loss."""
    from fmnist_model.diagnosis import explain as explained

    print(explained(loss))


@app.command()
def predict(
    images: Annotated[list[Path], typer.Argument(help="PNG or JPEG files.")],
    model: Annotated[Path, typer.Option(help="The saved model.")] = (
        PATHS.results / "paper" / "model.keras"
    ),
) -> None:
    """Say what is on your own images, with the probability of each class."""
    from fmnist_model.dataset import CLASS_NAMES
    from fmnist_model.evaluation import predict as classify, prepare

    prepared = [prepare(path) for path in images]
    for path, image, chances in zip(images, prepared, classify(model, prepared), strict=True):
        notes = f" ({', '.join(image.notes)})" if image.notes else ""
        print(f"{path}{notes}")
        for number in chances.argsort()[::-1]:
            bar = "█" * round(20 * float(chances[number]))
            print(f"  {CLASS_NAMES[number]:<12} {chances[number]:7.2%}  {bar}".rstrip())


if __name__ == "__main__":
    run(app)
