"""The final evaluation: what it computes and writes, and how often it opens the test set."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tomli_w
from sklearn.metrics import accuracy_score, f1_score

from fmnist_model.dataset import fashion_mnist
from fmnist_model.evaluation.final_evaluation import evaluate
from fmnist_model.evaluation.metrics import interval
from tests.conftest import run_examples

BEST = {
    "model": {"activation": "relu", "dropout": 0.1, "filters": [8, 16], "dense_units": 32},
    "train": {"batch_size": 50, "epochs": 4, "learning_rate": 0.1, "momentum": 0.5},
    "provenance": {"study": "mine", "trial": 7, "validation_accuracy": 0.75},
}


@pytest.fixture
def best(project):
    path = project / "studies" / "results" / "mine" / "best.toml"
    path.parent.mkdir(parents=True)
    path.write_text(tomli_w.dumps(BEST))
    return path


def evaluated(best, custom_data, seeds=2):
    return evaluate(best, seeds, custom_data)


def test_the_figures_are_those_of_the_saved_model(best, custom_data, few):
    found = evaluated(best, custom_data)
    assert found == json.loads(best.with_name("evaluation.json").read_text())
    model = keras.models.load_model(best.with_name("model.keras"), safe_mode=True)
    pixels = few[1].pixels[..., None].astype("float32") / 255
    outputs = model.predict(pixels, verbose=0)
    predicted = outputs.argmax(axis=-1)
    first = found["accuracy"]["values"][0]
    assert first == pytest.approx(accuracy_score(few[1].labels, predicted))
    loss = keras.losses.SparseCategoricalCrossentropy()(few[1].labels, outputs)
    assert found["loss"]["values"][0] == pytest.approx(float(loss), rel=1e-4)
    scores = f1_score(few[1].labels, predicted, average=None)
    assert found["per_class"]["Trouser"]["f1"]["values"][0] == pytest.approx(scores[1])
    assert all(type(layer).__module__.startswith("keras.") for layer in model.layers)


def test_the_example_runs(project, custom_data):
    quick = BEST | {"train": BEST["train"] | {"epochs": 1}}
    Path("best.toml").write_text(tomli_w.dumps(quick))
    assert run_examples(evaluate)


def test_it_learns_from_all_training_images_with_other_seeds(best, custom_data):
    found = evaluated(best, custom_data)
    assert found["images"] == {"train": 2000, "test": 500}
    assert [run["seed"] for run in found["runs"]] == [0, 1]
    assert [run["steps_run"] for run in found["runs"]] == [160, 160]
    assert not {"checkpoint", "continued_from", "earlier_seconds"} & found["runs"][0].keys()
    assert len(set(found["accuracy"]["values"])) == 2
    assert found["accuracy"]["mean"] > 0.5
    assert np.sum(found["confusion_matrix"]) == 2 * 500
    assert found["versions"]["tensorflow"]
    assert found["device"].startswith(("CPU", "GPU"))


def test_openings_are_counted_before_the_test_set_is_opened(best, custom_data, capsys):
    assert evaluated(best, custom_data, seeds=1)["test_set_opened"] == 1
    (custom_data / "t10k-images-idx3-ubyte").write_bytes(b"")
    with pytest.raises(fashion_mnist.DataError, match="t10k-images-idx3-ubyte: the file is empty"):
        evaluated(best, custom_data, seeds=1)
    lines = best.with_name("test_set_openings.jsonl").read_text().splitlines()
    assert [json.loads(line)["trial"] for line in lines] == [7, 7]


def test_a_missing_test_set_shows_before_the_training_and_is_no_opening(best, custom_data):
    (custom_data / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(fashion_mnist.DataError, match=r"t10k-images-idx3-ubyte.gz: file missing"):
        evaluated(best, custom_data, seeds=1)
    assert [path.name for path in best.parent.iterdir()] == ["best.toml"]


def test_runs_that_diverge_are_reported(best, custom_data):
    train = BEST["train"] | {"learning_rate": 1e30, "batch_size": 2000, "epochs": 2}
    best.write_text(tomli_w.dumps(BEST | {"train": train}))
    found = evaluated(best, custom_data)
    assert [run["stop_reason"] for run in found["runs"]] == ["diverged", "diverged"]
    assert found["loss"]["mean"] is None or found["loss"]["mean"] > 1e6
    assert json.loads(best.with_name("evaluation.json").read_text(), parse_constant=pytest.fail)


def test_a_limited_study_is_retrained_on_its_own_images(best, custom_data):
    best.write_text(tomli_w.dumps(BEST | {"data": {"limit": 400, "sha256": "other"}}))
    said: list[str] = []
    found = evaluate(best, 1, custom_data, said.append)
    assert found["images"]["train"] == 500
    assert "warning: these are other images than the configuration was searched on" in said


def test_the_interval_is_students():
    found = interval([0.90, 0.91, 0.92])
    assert found["mean"] == pytest.approx(0.91)
    assert found["high"] - found["mean"] == pytest.approx(4.302653 * 0.01 / 3**0.5, rel=1e-5)
    assert interval([0.9])["low"] is None
    assert interval([0.1, 0.9])["low"] == 0.0
    assert interval([0.1, 0.9])["high"] == 1.0


def test_the_command_prints_the_answer(best, custom_data, invoke):
    with best.open("a") as file:  # its last section is the provenance
        file.write('storage = "sqlite:///my own.db"\n')
    done = invoke("fmnist_model", "evaluate", best, "--seeds", "2", "--data", custom_data)
    assert done.returncode == 0, done.stderr
    assert "test accuracy 0." in done.stdout
    assert "95 % interval" in done.stdout
    assert "this study has opened the test set once" in done.stdout
    assert "\nnext: make report NAME=mine STORAGE='sqlite:///my own.db' draws it" in done.stdout
    assert done.stderr == ""


def test_a_missing_configuration_says_what_to_do(project, command):
    done = command("fmnist_model", "evaluate", "nowhere/best.toml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: nowhere/best.toml: no such file; make export writes a study's best "
        "configuration there\n"
    )
