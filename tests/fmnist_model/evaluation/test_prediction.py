"""A user's own images: what is done to them, and what the saved model says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fmnist_model.config import ModelConfig
from fmnist_model.dataset.fashion_mnist import CLASS_NAMES
from fmnist_model.evaluation.prediction import PredictionError, predict, prepare
from tests.conftest import run_examples


@pytest.fixture
def pixels(few):
    return few[1].pixels[0]


def saved(pixels: np.ndarray, name: str, size: int = 28) -> Path:
    Image.fromarray(pixels).resize((size, size), Image.Resampling.NEAREST).save(name)
    return Path(name)


def test_an_image_like_those_of_the_data_is_left_alone(project, pixels):
    found = prepare(saved(pixels, "a.png"))
    assert found.notes == ()
    np.testing.assert_array_equal(found.pixels, pixels)


def test_a_large_one_on_white_is_resized_and_inverted(project, pixels):
    found = prepare(saved(255 - pixels, "a.jpg", 280))
    assert found.notes[0] == "resized from 280x280"
    assert "inverted" in found.notes[1]
    assert np.abs(found.pixels.astype(int) - pixels).mean() < 12


def test_a_wide_one_is_padded_not_squeezed(project):
    picture = np.zeros((60, 120), np.uint8)
    picture[20:40, 50:70] = 255
    Image.fromarray(picture).save("wide.png")
    found = prepare(Path("wide.png")).pixels
    bright = np.argwhere(found > 127)
    height, width = np.ptp(bright, axis=0) + 1
    assert abs(int(height) - int(width)) <= 1


def test_a_transparent_background_is_white_paper(project):
    picture = np.zeros((28, 28, 4), np.uint8)
    picture[10:18, 10:18, 3] = 255  # a black square on nothing
    Image.fromarray(picture).save("clear.png")
    found = prepare(Path("clear.png")).pixels
    assert found[14, 14] == 255
    assert found[0, 0] == 0


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("missing.png", None, "missing.png: no such file"),
        ("text.png", b"hello", "text.png: not an image that can be read"),
    ],
)
def test_what_is_no_image_is_one_sentence(project, name, content, said):
    if content is not None:
        Path(name).write_bytes(content)
    with pytest.raises(PredictionError, match=said):
        prepare(Path(name))


def save_network(name: str) -> None:
    from fmnist_model.network.build import build_network, initialise

    network = build_network(ModelConfig(filters=(4, 8), dense_units=(16,)))
    initialise(network, 1)
    network.save(name)


def test_the_example_runs(project, pixels):
    save_network("model.keras")
    saved(pixels, "shirt.png", 56)
    assert run_examples(predict)


def test_the_command_gives_a_probability_for_each_class(project, pixels, invoke):
    save_network("mine.keras")
    done = invoke("fmnist_model", "predict", saved(pixels, "a.png", 56), "--model", "mine.keras")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "a.png (resized from 56x56)"
    shares = {line[2:14].strip(): float(line[14:].split("%")[0]) for line in lines[1:]}
    assert set(shares) == set(CLASS_NAMES)
    assert sum(shares.values()) == pytest.approx(100, abs=0.1)
    assert done.stderr == ""
    done = invoke("fmnist_model", "predict", "a.png", "--model", "no.keras")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no.keras: no such model; make evaluate saves one" in done.stderr
