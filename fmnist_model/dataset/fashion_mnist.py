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
from fmnist_model.dataset.download import Say, silent
from fmnist_model.dataset.formats import Bytes, DataError, read_csv, read_idx
from fmnist_model.utils import Remedy

Part = Literal["train", "test"]

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


@dataclass(frozen=True)
class Images:
    """Pixels uint8 (n, 28, 28), 0-255, and labels uint8 (n,), 0-9, with the digest of both."""

    pixels: Bytes
    labels: Bytes
    sha256: str

    def __len__(self) -> int:
        return len(self.labels)


def load_train(
    directory: Path | None = None, say: Say = silent, data_home: Path | None = None
) -> Images:
    """Load the 60,000 training images of Fashion-MNIST, or images of the same form.

    Args:
        directory: The folder of their IDX or CSV files. Without it they are in `data_home`, and
            fetched from the network into it if they are not.
        say: Is called with a line about each thing that takes time or is odd.
        data_home: Where what was fetched and what was decoded are kept. Without it nothing is
            kept, so that `directory` has to be given and is decoded at every call.

    Returns:
        The images, their labels, and the SHA-256 digest of both.

    Raises:
        DataError: Something is wrong with the files; the message says what, in one sentence.

    Example:
        >>> from pathlib import Path
        >>> from fmnist_model.dataset.fashion_mnist import load_train
        >>> images = load_train(Path("custom"))
        >>> len(images), images.pixels.shape, images.pixels.dtype, images.labels.dtype
        (2000, (2000, 28, 28), dtype('uint8'), dtype('uint8'))
    """
    return _load("train", directory, say, data_home)


def load_test(
    directory: Path | None = None, say: Say = silent, data_home: Path | None = None
) -> Images:
    """Load the 10,000 test images. For `fmnist_model.evaluation.final_evaluation` alone, at its
    very end."""
    return _load("test", directory, say, data_home)


def find_test(directory: Path | None = None, data_home: Path | None = None) -> None:
    """Raise DataError where the test set's files are missing; they are not read."""
    _find(directory or _fetched(data_home), "test")


def split(images: Images, limit: int | None = None) -> tuple[Images, Images]:
    """Split into training and validation images as the paper did; the same at every call.

    Args:
        images: What is to be split: a fifth of it becomes validation images.
        limit: Keep only so many training images, and validation images in the same proportion.

    Returns:
        The training images and the validation images.

    Raises:
        DataError: There are fewer images than `limit`, or fewer than two.

    Example:
        >>> import numpy as np
        >>> from fmnist_model.dataset.fashion_mnist import Images, split
        >>> labels = np.arange(100, dtype=np.uint8) % 10
        >>> images = Images(np.zeros((100, 28, 28), np.uint8), labels, sha256="")
        >>> [len(part) for part in split(images)]
        [80, 20]
        >>> [len(part) for part in split(images, limit=40)]
        [40, 10]
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


def _load(part: Part, directory: Path | None, say: Say, data_home: Path | None) -> Images:
    if directory is not None:
        return _load_from(directory, part, say, data_home)
    directory = _fetched(data_home)
    if not directory.exists():
        download.obtain(directory, _check_original, say)
    try:
        return _load_from(directory, part, say, data_home)
    except DataError as error:
        raise DataError(f"{error.problem} (remove {directory} to have it fetched anew)") from error


def _fetched(data_home: Path | None) -> Path:
    """Where the files are that were fetched."""
    if data_home is None:
        raise DataError("it is not said where the data is", Remedy.GIVE_DATA_OR_HOME)
    return data_home / "fashion-mnist"


def _load_from(directory: Path, part: Part, say: Say, data_home: Path | None) -> Images:
    sources = _find(directory, part)
    cache = data_home and data_home / "cache" / f"{part}-{_key(sources)}.npz"
    images = _read_cache(cache) if cache else None
    if images is None:
        say(f"decoding {sources[0]}")
        images = _decode(sources)
        if cache:
            _write_cache(cache, images)
    if images.sha256 != _ORIGINAL[part]:
        say(f"{sources[0]}: not the original Fashion-MNIST (SHA-256 {images.sha256[:12]}...)")
    return images


def _find(directory: Path, part: Part) -> tuple[Path, ...]:
    if not directory.is_dir():
        raise DataError(f"{directory}: no such directory", Remedy.NAME_DATA_DIRECTORY)
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
