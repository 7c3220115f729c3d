"""Every way in which a data file can be wrong is said in one sentence that names file and fault."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest

from fmnist_model.dataset.fashion_mnist import load_train
from fmnist_model.dataset.formats import DataError, read_csv, read_idx

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
CSV = "fashion-mnist_train.csv"
HEADER = ",".join(["label", *(f"pixel{i}" for i in range(1, 785))])


def images_file(count=3, side=28, magic=2051, values=None) -> bytes:
    header = struct.pack(">4I", magic, count, side, side)
    return header + bytes(count * side * side if values is None else values)


def labels_file(labels=(0, 1, 9), magic=2049) -> bytes:
    return struct.pack(">2I", magic, len(labels)) + bytes(labels)


def row(label=3, pixels=(7,) * 784) -> str:
    return ",".join(map(str, [label, *pixels]))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with a sound pair of IDX files in custom/."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "custom").mkdir()
    (tmp_path / "custom" / IMAGES).write_bytes(images_file())
    (tmp_path / "custom" / LABELS).write_bytes(labels_file())
    return tmp_path / "custom"


def fault(folder) -> str:
    with pytest.raises(DataError) as caught:
        load_train(folder)
    assert not (folder.parent / "data").exists(), "a faulty file must not be cached"
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_sound_files_load_gzipped_or_not(folder):
    plain = load_train(folder)
    (folder / f"{IMAGES}.gz").write_bytes(gzip.compress((folder / IMAGES).read_bytes()))
    (folder / IMAGES).unlink()
    assert load_train(folder).sha256 == plain.sha256
    assert plain.pixels.shape == (3, 28, 28)
    assert plain.labels.tolist() == [0, 1, 9]


def test_missing_directory(tmp_path):
    with pytest.raises(
        DataError, match="nowhere: no such directory; pass the one with the data files"
    ):
        load_train(tmp_path / "nowhere")


def test_missing_file(folder):
    (folder / LABELS).unlink()
    assert f"{folder / LABELS}.gz: file missing" in fault(folder)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (IMAGES, b"", "the file is empty"),
        (LABELS, b"", "the file is empty"),
        (IMAGES, b"\0\0", "only 2 bytes, too short for an IDX file of images"),
        (IMAGES, gzip.compress(images_file())[:-20], "the gzip file is truncated or damaged"),
        (IMAGES, gzip.compress(images_file())[:5], "the gzip file is truncated or damaged"),
        (IMAGES, b"\x1f\x8b" + b"junk" * 9, "the gzip file is truncated or damaged"),
        (IMAGES, images_file(magic=2049), "magic number 2049, expected 2051 for IDX images"),
        (LABELS, labels_file(magic=1), "magic number 1, expected 2049 for IDX labels"),
        (IMAGES, images_file(side=32), "its images are 32x32 pixels, expected 28x28"),
        (IMAGES, images_file(values=100), "promises 3 x 28 x 28 values, 2,368 bytes in all, but"),
        (IMAGES, images_file(values=3000), "but the file has 3,016; fetch it again"),
        (LABELS, labels_file((0, 1)), "holds 3 images but"),
        (IMAGES, struct.pack(">4I", 2051, 2**32 - 1, 2**32 - 1, 0), "the file holds no images"),
        (LABELS, labels_file((0, 1, 10)), "item 2 has the label 10, expected 0 to 9"),
    ],
)
def test_faulty_idx(folder, name, content, said):
    (folder / name).write_bytes(content)
    message = fault(folder)
    assert said in message
    assert name in message


def test_no_images_at_all(folder):
    (folder / IMAGES).write_bytes(images_file(count=0))
    (folder / LABELS).write_bytes(labels_file(()))
    assert "the file holds no images" in fault(folder)


def test_a_directory_in_place_of_a_file(folder):
    (folder / IMAGES).unlink()
    (folder / IMAGES).mkdir()
    assert "cannot be read: Is a directory" in fault(folder)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "the file is empty"),
        ([HEADER], "the file holds no images, only a header"),
        ([HEADER.rsplit(",", 1)[0], row()], "line 1 has 784 columns, expected 785"),
        ([HEADER, row(pixels=(7,) * 785)], "line 2 has 786 columns, expected 785"),
        ([HEADER, row(pixels=(7,) * 783)], "line 2 has 784 columns, expected 785"),
        ([HEADER, row(), row(pixels=(7,) * 785)], "missing or extra column: Expected 785 fields"),
        ([HEADER, row(), row(pixels=(7,) * 783)], "line 3, column pixel784 is empty"),
        ([HEADER, row(), row(pixels=(7, "", *(7,) * 782))], "line 3, column pixel2 is empty"),
        ([HEADER, row(pixels=("shoe", *(7,) * 783))], "line 2, column pixel1 holds 'shoe'"),
        ([HEADER, row(pixels=(0.5, *(7,) * 783))], "pixel1 holds '0.5', not a whole number"),
        ([HEADER, row(pixels=("1e300", *(7,) * 783))], "pixel1 holds '1e+300', not a whole"),
        ([HEADER, row(pixels=("9" * 400, *(7,) * 783))], "line 2, column pixel1 holds '9999"),
        ([HEADER, row(), "", row(label=10)], "line 3, column label is empty"),
        ([HEADER, row(), row(label=10)], "line 3 has the label 10, expected 0 to 9"),
        ([HEADER, row(label=-1)], "line 2 has the label -1, expected 0 to 9"),
        ([HEADER, row(pixels=(256, *(7,) * 783))], "column pixel1: pixel 256 is outside 0-255"),
        ([HEADER, row(pixels=(*(7,) * 783, -1))], "column pixel784: pixel -1 is outside 0-255"),
        ([row(), row()], "line 1 must be a header whose first column is named label"),
    ],
)
def test_faulty_csv(tmp_path, monkeypatch, lines, said):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "custom"
    folder.mkdir()
    (folder / CSV).write_text("\n".join(lines))
    message = fault(folder)
    assert said in message
    assert CSV in message


def test_a_csv_that_is_no_text(tmp_path):
    path = tmp_path / CSV
    path.write_bytes((HEADER + "\n").encode() + b"\xff" * 10 + row()[1:].encode())
    with pytest.raises(DataError, match=r"fashion-mnist_train\.csv: "):
        read_csv(path)


def test_csv_and_idx_of_the_same_images_agree(tmp_path, everything):
    """The real images, written as Kaggle writes them, read back as they were."""
    pixels, labels = everything.pixels[:500], everything.labels[:500]
    table = np.column_stack([labels, pixels.reshape(500, -1)])
    np.savetxt(tmp_path / CSV, table, fmt="%d", delimiter=",", header=HEADER, comments="")
    (tmp_path / IMAGES).write_bytes(struct.pack(">4I", 2051, 500, 28, 28) + pixels.tobytes())
    (tmp_path / LABELS).write_bytes(labels_file(labels))
    from_csv = read_csv(tmp_path / CSV)
    from_idx = read_idx(tmp_path / IMAGES, tmp_path / LABELS)
    for ours, theirs in zip(from_csv, from_idx, strict=True):
        np.testing.assert_array_equal(ours, theirs)
