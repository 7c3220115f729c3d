"""Find, verify, decode, cache and split Fashion-MNIST. The test set stands apart: `load_test`."""

from __future__ import annotations

import hashlib
import os
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from fmnist_model.dataset import download
from fmnist_model.dataset.download import Say
from fmnist_model.dataset.formats import Bytes, DataError, read_csv, read_idx

Part = Literal["train", "test"]

HOME = Path("data")
"""Where a project keeps its data, below the directory that commands run in."""
SPLIT = {"test_size": 0.2, "random_state": 648}
"""The paper's split: 48,000 training and 12,000 validation images, shuffled, not stratified."""
CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

_IDX = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
_CSV = {"train": "fashion-mnist_train.csv", "test": "fashion-mnist_test.csv"}
_ORIGINAL = {
    "train": "16d82e2b505296aa2b78bd5ea0992634f30419a4c97def7c907d154a35ac6157",
    "test": "9f1ec356a747bfe4ebab3cfb722d3694c9ca737e2570f6f90cf31d7b6fd689d4",
}
"""SHA-256 of the decoded pixels followed by the labels."""


def _silent(message: str) -> None:
    pass


@dataclass(frozen=True)
class Images:
    """Pixels uint8 (n, 28, 28), 0-255, and labels uint8 (n,), 0-9, with the digest of both."""

    pixels: Bytes
    labels: Bytes
    sha256: str

    def __len__(self) -> int:
        return len(self.labels)


def load_train(directory: Path | None = None, say: Say = _silent) -> Images:
    """Load the 60,000 training images, from `directory`, from data/, or from the network.

    `say` is told, in a line each, what takes time and what is odd. Raises DataError with one
    sentence for whatever is wrong with the files.
    """
    return _load("train", directory, say)


def load_test(directory: Path | None = None, say: Say = _silent) -> Images:
    """Load the 10,000 test images. For `fmnist_model.evaluation.final_evaluation` alone, at its
    very end."""
    return _load("test", directory, say)


def find_test(directory: Path | None = None) -> None:
    """Raise DataError where the test set's files are missing; they are not read."""
    _find(directory or HOME / "fashion-mnist", "test")


def split(images: Images, limit: int | None = None) -> tuple[Images, Images]:
    """Split into training and validation images as the paper did; the same at every call.

    With `limit`, only the first `limit` training images are kept, and validation images in the
    same proportion. Raises DataError where there are fewer.
    """
    from sklearn.model_selection import train_test_split

    if limit is not None and limit < 1:
        raise DataError(f"a limit of {limit} images leaves nothing to train on")
    if len(images) < 2:
        raise DataError(f"{len(images)} image cannot be split into training and validation images")
    train, validation = train_test_split(np.arange(len(images)), **SPLIT)
    if limit is not None:
        if limit > len(train):
            raise DataError(
                f"data.limit is {limit:,}, but there are {len(train):,} training images"
            )
        validation = validation[: max(1, round(limit * len(validation) / len(train)))]
        train = train[:limit]
    return _subset(images, train), _subset(images, validation)


def join(first: Images, second: Images) -> Images:
    """The images of both, in this order."""
    pixels = np.concatenate([first.pixels, second.pixels])
    return _digested(pixels, np.concatenate([first.labels, second.labels]))


def _subset(images: Images, chosen: np.ndarray) -> Images:
    return _digested(images.pixels[chosen], images.labels[chosen])


def _digested(pixels: Bytes, labels: Bytes) -> Images:
    digest = hashlib.sha256(np.ascontiguousarray(pixels).data)
    digest.update(np.ascontiguousarray(labels).data)
    return Images(pixels, labels, digest.hexdigest())


def _load(part: Part, directory: Path | None, say: Say) -> Images:
    if directory is not None:
        return _load_from(directory, part, say)
    directory = HOME / "fashion-mnist"
    if not directory.exists():
        download.obtain(directory, _check_original, say)
    try:
        return _load_from(directory, part, say)
    except DataError as error:
        raise DataError(f"{error} (remove {directory} to have it fetched anew)") from error


def _load_from(directory: Path, part: Part, say: Say) -> Images:
    sources = _find(directory, part)
    cache = HOME / "cache" / f"{part}-{_key(sources)}.npz"
    images = _read_cache(cache)
    if images is None:
        say(f"decoding {sources[0]}")
        images = _decode(sources)
        _write_cache(cache, images)
    if images.sha256 != _ORIGINAL[part]:
        say(f"{sources[0]}: not the original Fashion-MNIST (SHA-256 {images.sha256[:12]}...)")
    return images


def _find(directory: Path, part: Part) -> tuple[Path, ...]:
    if not directory.is_dir():
        raise DataError(f"{directory}: no such directory; DATA= names the one with the data files")
    found = [_plain_or_gzipped(directory, name) for name in _IDX[part]]
    if all(path.exists() for path in found):
        return tuple(found)
    csv = directory / _CSV[part]
    if csv.exists():
        return (csv,)
    missing = next(path for path in found if not path.exists())
    raise DataError(
        f"{missing}: file missing; {directory} must hold {_IDX[part][0]} and {_IDX[part][1]} "
        f"(.gz or not), or {_CSV[part]}"
    )


def _plain_or_gzipped(directory: Path, name: str) -> Path:
    plain = directory / name
    return plain if plain.exists() else directory / f"{name}.gz"


def _decode(sources: tuple[Path, ...]) -> Images:
    return _digested(*(read_csv(sources[0]) if len(sources) == 1 else read_idx(*sources)))


def _check_original(directory: Path) -> None:
    for part in ("train", "test"):
        if _decode(_find(directory, part)).sha256 != _ORIGINAL[part]:
            raise DataError(f"the {part} images that came are not the original Fashion-MNIST")


def _key(sources: tuple[Path, ...]) -> str:
    states = [
        (str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in sources
    ]
    return hashlib.sha256(repr(states).encode()).hexdigest()[:16]


def _read_cache(path: Path) -> Images | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            images = _digested(stored["pixels"], stored["labels"])
            return images if images.sha256 == str(stored["sha256"]) else None
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile):
        return None  # absent, or damaged (zipfile has many ways to say so): it is made again


def _write_cache(path: Path, images: Images) -> None:
    scratch = path.with_name(f".{path.stem}-{os.getpid()}.npz")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(scratch, pixels=images.pixels, labels=images.labels, sha256=images.sha256)
        scratch.replace(path)
    except OSError:  # a full disk or a read-only directory costs the cache, not the data
        with suppress(OSError):
            scratch.unlink()
