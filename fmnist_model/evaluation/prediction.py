"""Classifies a user's own images with a saved model: plain Keras, and Pillow to read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from fmnist_model.config import IMAGE_SIDE
from fmnist_model.dataset import CLASS_NAMES, Bytes
from fmnist_model.utils import Remedy, UserError, native_log_hidden

BRIGHT = 127
"""A border brighter than this, of 255, is that of a dark object on a light background."""


class PredictionError(UserError):
    """An image or a model cannot be read."""


@dataclass(frozen=True)
class Prepared:
    """An image as networks know them, uint8 (28, 28), light on dark, and what was done to it."""

    pixels: Bytes
    notes: tuple[str, ...]


def prepare(path: Path) -> Prepared:
    """Read a PNG, JPEG or other image and change it into one like those of Fashion-MNIST.

    It becomes grey, is padded to a square with the colour of its border and resized to 28x28, and
    is inverted if its border is bright. Raises PredictionError where it is no image.
    """
    grey = _grey(path)
    background = int(np.median(_border(np.asarray(grey))))
    notes = []
    if grey.size != (IMAGE_SIDE, IMAGE_SIDE):
        notes.append(f"resized from {grey.width}x{grey.height}")
        side = max(grey.size)
        grey = ImageOps.pad(grey, (side, side), color=background)
        grey = grey.resize((IMAGE_SIDE, IMAGE_SIDE), Image.Resampling.LANCZOS)
    if background > BRIGHT:
        notes.append("inverted, for its border is bright and Fashion-MNIST's is dark")
        grey = ImageOps.invert(grey)
    return Prepared(np.asarray(grey, dtype=np.uint8), tuple(notes))


def _grey(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image).convert("RGBA")
    except FileNotFoundError:
        raise PredictionError(f"{path}: no such file") from None
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise PredictionError(f"{path}: not an image that can be read: {error}") from None
    except OSError as error:
        raise PredictionError(f"{path}: cannot be read: {error}") from None
    white = Image.new("RGBA", upright.size, "white")
    return Image.alpha_composite(white, upright).convert("L")


def _border(pixels: np.ndarray) -> np.ndarray:
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])


def predict(model: Path, images: Sequence[Prepared]) -> npt.NDArray[np.float32]:
    """The probabilities of the ten classes for each image, by a saved model.

    Outputs that do not add up to 1, as those of a ReLU or sigmoid layer, are scaled so that they
    do; where all are 0, each class gets the same probability.

    Args:
        model: The file of a Keras model, as the final evaluation saves it.
        images: Images that `prepare` has read.

    Returns:
        float32 (n, 10), a row an image; the classes are `CLASS_NAMES`, in their order.

    Raises:
        PredictionError: There is no such model, or Keras cannot read it.

    Example:
        >>> from pathlib import Path
        >>> from fmnist_model.evaluation.prediction import predict, prepare
        >>> probabilities = predict(Path("model.keras"), [prepare(Path("shirt.png"))])
        >>> probabilities.shape, float(probabilities.sum().round(3))
        ((1, 10), 1.0)
    """
    if not model.is_file():
        raise PredictionError(f"{model}: no such model", Remedy.EVALUATE_FIRST)
    with native_log_hidden():
        import keras

        try:
            network = keras.models.load_model(model)
        except (ValueError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise PredictionError(f"{model}: not a model that Keras reads: {reason}") from None
        pixels = np.stack([image.pixels for image in images])[..., np.newaxis] / np.float32(255)
        outputs = network.predict(pixels, verbose=0)
    totals = outputs.sum(axis=-1, keepdims=True)
    even = np.full_like(outputs, 1 / len(CLASS_NAMES))
    return np.asarray(np.where(totals > 0, outputs / np.where(totals > 0, totals, 1), even))
