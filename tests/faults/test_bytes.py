"""Files and names that are anything: read as they are, or refused in one sentence."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from fmnist_model.dataset.fashion_mnist import _digested, _read_cache, _write_cache
from fmnist_model.dataset.formats import DataError, read_csv, read_idx
from search.presets.files import PresetError, study_name
from tests.conftest import DATA, PATHS

COUNT = 3
SETTINGS = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["set", "cut", "insert", "double"]),
        st.floats(0, 1),
        st.binary(min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=4,
)


def mutated(content: bytes, mutations: list[tuple[str, float, bytes]]) -> bytes:
    for how, where, what in mutations:
        at = int(where * len(content))
        content = {
            "set": content[:at] + what + content[at + len(what) :],
            "cut": content[:at],
            "insert": content[:at] + what + content[at:],
            "double": content + content[at:],
        }[how]
    return content


@pytest.fixture(scope="module")
def idx(tmp_path_factory):
    """The first three real images, as IDX files."""
    from fmnist_model.dataset.fashion_mnist import load_train

    images = load_train(DATA, data_home=PATHS.data)
    pixels = struct.pack(">4I", 2051, COUNT, 28, 28) + images.pixels[:COUNT].tobytes()
    return pixels, struct.pack(">2I", 2049, COUNT) + images.labels[:COUNT].tobytes()


@pytest.fixture(scope="module")
def csv(idx) -> bytes:
    """The same as Kaggle's CSV."""
    pixels = np.frombuffer(idx[0], np.uint8, offset=16).reshape(COUNT, 784)
    rows = [[label, *row] for label, row in zip(idx[1][8:], pixels.tolist(), strict=True)]
    header = ["label", *(f"pixel{n}" for n in range(1, 785))]
    return "\n".join(",".join(map(str, row)) for row in [header, *rows]).encode() + b"\n"


def readable(read, *paths: Path) -> None:
    """The files are read into images of the right kind, or refused in one sentence."""
    try:
        pixels, labels = read(*paths)
    except DataError as error:
        assert "\n" not in str(error)
        assert str(paths[0].parent) in str(error)
    else:
        assert (pixels.shape[1:], pixels.dtype) == ((28, 28), np.uint8)
        assert (len(pixels), labels.dtype) == (len(labels), np.uint8)
        assert labels.max() < 10


@SETTINGS
@given(MUTATIONS, st.booleans())
def test_mutated_idx_files(tmp_path, idx, mutations, images):
    contents = list(idx)
    contents[not images] = mutated(contents[not images], mutations)
    paths = [tmp_path / "images", tmp_path / "labels"]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    readable(read_idx, *paths)


@settings(SETTINGS, max_examples=100)  # an example takes 30 ms
@given(MUTATIONS)
def test_mutated_csv_files(tmp_path, csv, mutations):
    (tmp_path / "x.csv").write_bytes(mutated(csv, mutations))
    readable(read_csv, tmp_path / "x.csv")


@pytest.mark.parametrize("damage", ["truncated", "altered", "emptied"])
def test_a_damaged_cache_is_noticed(tmp_path, idx, damage):
    pixels = np.frombuffer(idx[0], np.uint8, offset=16).reshape(COUNT, 28, 28)
    images = _digested(pixels, np.frombuffer(idx[1], np.uint8, offset=8))
    path = tmp_path / "cache.npz"
    _write_cache(path, images)
    assert _read_cache(path).sha256 == images.sha256
    content = path.read_bytes()
    at = content.index(pixels[1].tobytes())
    changed = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
    path.write_bytes({"truncated": content[:-99], "altered": changed, "emptied": b""}[damage])
    assert _read_cache(path) is None


NAMES = st.text(max_size=300) | st.text("./\\\0\n a-", max_size=300)


@settings(max_examples=500, deadline=None)
@given(NAMES)
def test_any_study_name_is_safe_or_refused(name):
    """What is accepted names one place below studies/results, and never the place itself."""
    try:
        accepted = study_name("paper", name)
    except PresetError as error:
        assert "\n" not in str(error)
        return
    results = Path("studies/results").resolve()
    assert (results / accepted).resolve().parent == results
    assert accepted.isprintable()
    assert len(accepted) <= 100


@settings(max_examples=300, deadline=None)
@given(NAMES)
def test_any_preset_path_names_a_safe_study_or_is_refused(path):
    try:
        accepted = study_name(path, None)
    except PresetError:
        return
    results = Path("studies/results").resolve()
    assert (results / accepted).resolve().parent == results
