"""A checkpoint is read as it was written, or refused in one sentence, as is that of another run."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace

import numpy as np
import pytest

from fmnist_model.training.checkpoint import Checkpoint, CheckpointError, load, save
from tests.fmnist_model.small_images import changed, same
from tests.fmnist_model.training import numpy_network
from tests.fmnist_model.training.numpy_network import TRAIN, NumpyNetwork

MOMENTUM = changed(TRAIN, momentum=0.9, epochs=20)
"""A dead network is checked once with it, as its velocity might revive it, and found alive."""


@pytest.fixture
def kept() -> Checkpoint:
    """That of a run with a check in its counts."""
    network = NumpyNetwork(numpy_network.DEAD)
    network.bias_velocity = network.bias_velocity - 4000
    return numpy_network.run(network, MOMENTUM, keep=True).checkpoint


def test_it_is_read_as_it_was_written(kept, tmp_path):
    read = load(tmp_path / "k.npz", save(kept, tmp_path / "k.npz"))
    assert (read.epoch, read.settings, read.counts) == (20, kept.settings, kept.counts)
    assert len(read.counts.checks) == 2
    for ours, theirs in zip(_arrays(read), _arrays(kept), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


def _arrays(checkpoint: Checkpoint) -> list[np.ndarray]:
    network = checkpoint.network
    return [*network.weights, *network.velocity, network.stream]


def test_weights_come_back_in_their_order_where_there_are_more_than_ten(kept, tmp_path):
    many = replace(kept.network, weights=[np.full(3, i, "f4") for i in range(12)])
    path = tmp_path / "k.npz"
    read = load(path, save(replace(kept, network=many), path))
    assert same(read.network.weights, many.weights)


def test_the_file_has_the_size_that_is_stated(kept, tmp_path):
    large = replace(kept.network, weights=[np.zeros(10**5, "f4")], velocity=[np.zeros(10**5, "f4")])
    save(replace(kept, network=large), tmp_path / "k.npz")
    assert 1000 < (tmp_path / "k.npz").stat().st_size - 8 * 10**5 < 10_000


def test_the_hash_is_that_of_the_file(kept, tmp_path):
    path = tmp_path / "deep" / "k.npz"
    assert save(kept, path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_that_is_missing_damaged_or_another_one_is_refused(kept, tmp_path):
    path = tmp_path / "k.npz"
    sha256 = save(kept, path)
    with pytest.raises(CheckpointError, match=r"none\.npz: No such file"):
        load(tmp_path / "none.npz", sha256)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    for wrong in (data, data[:100], b""):
        path.write_bytes(wrong)
        with pytest.raises(CheckpointError, match=r"k\.npz is damaged, or not the checkpoint with"):
            load(path, sha256)


def npz(**arrays: object) -> bytes:
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def npy() -> bytes:
    content = io.BytesIO()
    np.save(content, np.arange(3))
    return content.getvalue()


HEADER = np.frombuffer(b'{"format": 1, "settings": {}, "counts": {"steps": "few"}}', np.uint8)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text",
        npy(),
        npz(weights0=np.zeros(3)),
        npz(header=np.array([{"pickled": "objects"}], object)),
        npz(header=HEADER, stream=np.zeros(2)),
    ],
)
def test_a_file_with_the_right_hash_may_still_be_none_of_ours(data, tmp_path):
    path = tmp_path / "k.npz"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"k\.npz is not a checkpoint$"):
        load(path, hashlib.sha256(data).hexdigest())


def test_a_file_of_another_format_is_refused(kept, tmp_path, monkeypatch):
    path = tmp_path / "k.npz"
    monkeypatch.setattr("fmnist_model.training.checkpoint.FORMAT", 2)
    sha256 = save(kept, path)
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="a checkpoint in format 2; this program reads 1"):
        load(path, sha256)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"learning_rate": 0.1}, "learning_rate=0.1: the checkpoint has learning_rate=0.5, and a"),
        ({"seed": 4}, "seed=4: the checkpoint has seed=3"),
        ({"on_stuck": "record"}, "on_stuck='record': the checkpoint has on_stuck='stop'"),
        ({"saturated_patience": 2}, "saturated_patience=2: the checkpoint has"),
        ({"schedule": "cosine"}, "schedule='cosine': only a run with schedule='constant'"),
        ({"epochs": 20}, "epochs=20: the checkpoint is one after epoch 20; take more epochs"),
    ],
)
def test_only_the_number_of_epochs_may_differ(kept, changes, sentence):
    train = changed(MOMENTUM, **{"epochs": 40, **changes})
    with pytest.raises(CheckpointError) as error:
        numpy_network.run(NumpyNetwork(), train, start=kept)
    assert str(error.value).startswith(sentence)


@pytest.mark.parametrize("name", ["activation", "engine", "precision", "images", "new_one"])
def test_network_engine_precision_and_images_are_those_of_the_checkpoint(kept, name):
    other = {**kept.settings, name: "other"}
    with pytest.raises(CheckpointError, match=f"{name}='other': the checkpoint has {name}="):
        kept.check(other, changed(MOMENTUM, epochs=40))
