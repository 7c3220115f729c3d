"""Reads Fashion-MNIST's two forms, IDX files and Kaggle's CSV, and says what is wrong with them.

IDX: a big-endian header (magic number, count, and for images rows and columns), then one byte a
value; http://yann.lecun.com/exdb/mnist describes it. CSV: a header line, then a label and 784
pixels a line, as on Kaggle.
"""

from __future__ import annotations

import gzip
import math
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fmnist_model.config import CLASSES, IMAGE_SIDE
from fmnist_model.utils import UserError

Bytes = npt.NDArray[np.uint8]

IMAGES_MAGIC, LABELS_MAGIC = 2051, 2049
PIXELS = IMAGE_SIDE * IMAGE_SIDE


class DataError(UserError):
    """A data file is missing or broken: the message names the file, the fault, and the remedy."""


def read_idx(images: Path, labels: Path) -> tuple[Bytes, Bytes]:
    """Read a pair of IDX files, gzipped or not: pixels (n, 28, 28) and labels (n,), uint8."""
    pixels = _read_idx_file(images, IMAGES_MAGIC, "images", dimensions=3)
    values = _read_idx_file(labels, LABELS_MAGIC, "labels", dimensions=1)
    if pixels.shape[1:] != (IMAGE_SIDE, IMAGE_SIDE):
        raise DataError(
            f"{images}: its images are {pixels.shape[1]}x{pixels.shape[2]} pixels, "
            f"expected {IMAGE_SIDE}x{IMAGE_SIDE}"
        )
    if len(pixels) != len(values):
        raise DataError(
            f"{images} holds {len(pixels):,} images but {labels} holds {len(values):,} labels; "
            f"the two must belong together"
        )
    _check_labels(values, labels, first_line=0, unit="item")
    return pixels, values


def _read_idx_file(path: Path, magic: int, what: str, dimensions: int) -> Bytes:
    content = _read_bytes(path)
    header = 4 * (1 + dimensions)
    if len(content) < header:
        raise DataError(f"{path}: only {len(content)} bytes, too short for an IDX file of {what}")
    found, *shape = struct.unpack(f">{1 + dimensions}I", content[:header])
    if found != magic:
        raise DataError(f"{path}: magic number {found}, expected {magic} for IDX {what}")
    expected = header + math.prod(shape)
    if len(content) != expected:
        size = " x ".join(f"{side:,}" for side in shape)
        raise DataError(
            f"{path}: its header promises {size} values, {expected:,} bytes in all, but the "
            f"file has {len(content):,}; fetch it again"
        )
    if math.prod(shape) == 0:
        raise DataError(f"{path}: the file holds no {what}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _read_bytes(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if not content:
        raise DataError(f"{path}: the file is empty")
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile, struct.error) as error:
        raise DataError(
            f"{path}: the gzip file is truncated or damaged ({error}); fetch it again"
        ) from error


def read_csv(path: Path) -> tuple[Bytes, Bytes]:
    """Read a Kaggle CSV file: pixels (n, 28, 28) and labels (n,), uint8."""
    import pandas as pd

    _check_columns(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                path,
                index_col=False,
                low_memory=False,
                skip_blank_lines=False,
                encoding="utf-8-sig",
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        fault = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        raise DataError(f"{path}: a line has a missing or extra column: {fault}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file ({error.reason})") from error
    if frame.empty:
        raise DataError(f"{path}: the file holds no images, only a header")
    values = _whole_numbers(frame, path)
    _check_labels(values[:, 0], path, first_line=2, unit="line")
    outside = np.argwhere((values[:, 1:] < 0) | (values[:, 1:] > 255))
    if len(outside):
        row, column = outside[0]
        raise DataError(
            f"{path}: line {row + 2}, column {frame.columns[column + 1]}: pixel "
            f"{values[row, column + 1]} is outside 0-255"
        )
    pixels = values[:, 1:].astype(np.uint8).reshape(-1, IMAGE_SIDE, IMAGE_SIDE)
    return pixels, values[:, 0].astype(np.uint8)


def _check_columns(path: Path) -> None:
    try:
        with path.open("rb") as file:
            header, first = file.readline(), file.readline()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if not header.strip():
        raise DataError(f"{path}: the file is empty")
    for number, line in ((1, header), (2, first or header)):
        columns = line.count(b",") + 1
        if columns != 1 + PIXELS:
            raise DataError(
                f"{path}: line {number} has {columns} columns, expected {1 + PIXELS} "
                f"(a label, then {PIXELS} pixels)"
            )
    if header.removeprefix(b"\xef\xbb\xbf").split(b",", 1)[0].strip(b'" \r\n').lower() != b"label":
        raise DataError(f"{path}: line 1 must be a header whose first column is named label")


def _whole_numbers(frame: Any, path: Path) -> npt.NDArray[np.int64]:
    import pandas as pd

    numeric = frame
    if _has_text(frame):  # by way of text, since Python's own integers can be too long for a float
        numeric = frame.astype(str).apply(pd.to_numeric, errors="coerce")
    numbers: npt.NDArray[np.float64] = numeric.to_numpy(float)
    wrong = np.argwhere(~(np.abs(numbers) < 1e9) | (numbers != np.round(numbers)))
    if len(wrong):
        row, column = wrong[0]
        cell = frame.iat[row, column]
        fault = "is empty" if pd.isna(cell) else f"holds '{cell}', not a whole number in range"
        raise DataError(f"{path}: line {row + 2}, column {frame.columns[column]} {fault}")
    return numbers.astype(np.int64)


def _has_text(frame: Any) -> bool:
    return any(kind.kind not in "iuf" for kind in frame.dtypes)


def _check_labels(
    labels: npt.NDArray[np.integer[Any]], path: Path, first_line: int, unit: str
) -> None:
    outside = np.flatnonzero((labels < 0) | (labels >= CLASSES))
    if len(outside):
        where = int(outside[0])
        raise DataError(
            f"{path}: {unit} {where + first_line} has the label {labels[where]}, "
            f"expected 0 to {CLASSES - 1}"
        )
