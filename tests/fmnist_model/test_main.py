"""The model's command line: train by hand, and one sentence for every mistake."""

from __future__ import annotations

import pytest

SMALL = ("--limit", "1000", "--batch-size", "100", "--epochs", "2")


def test_train_says_how_it_went(command, custom_data):
    done = command("fmnist_model", "train", *SMALL, "--data", custom_data)
    assert done.returncode == 0, done.stderr
    assert "epoch   2  loss" in done.stdout
    assert "completed on" in done.stdout
    assert done.stderr == ""


def test_train_explains_a_stuck_run(invoke, custom_data):
    options = ("--output-activation", "relu", "--learning-rate", "0.4")
    done = invoke("fmnist_model", "train", *SMALL, *options, "--data", custom_data)
    assert "stuck on" in done.stdout
    assert "every gradient has been exactly zero since step" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "--activation", "rely"), "error: option: activation: input should be 'sigmoid'"),
        (
            ("train", "--learning-rate", "0"),
            "error: option: learning_rate: input should be greater",
        ),
        (("data", "--data", "nowhere"), "error: nowhere: no such directory; DATA= names the one"),
    ],
)
def test_mistakes_are_one_sentence(invoke, arguments, said):
    done = invoke("fmnist_model", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1
