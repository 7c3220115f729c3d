"""The numbers that the paper printed, which are those of its second `fit`, on the test set."""

from __future__ import annotations

from typing import NamedTuple

from studies.paper.arms import DROPOUT, RELU, SOFTMAX


class Published(NamedTuple):
    """The measures of an arm's ten epochs, and the number of the figure that shows them."""

    figure: int
    loss: tuple[float, ...]
    accuracy: tuple[float, ...]
    val_loss: tuple[float, ...]
    val_accuracy: tuple[float, ...]


def _constant(value: float) -> tuple[float, ...]:
    return (value,) * 10


PUBLISHED = {
    RELU: Published(
        3, _constant(11.0572), _constant(0.1000), _constant(11.0491), _constant(0.1007)
    ),
    DROPOUT: Published(
        4, _constant(5.3031), _constant(0.1000), _constant(5.3272), _constant(0.0995)
    ),
    SOFTMAX: Published(
        5,
        (0.3988, 0.3949, 0.3908, 0.3714, 0.3690, 0.3671, 0.3704, 0.3685, 0.3623, 0.3582),
        (0.8547, 0.8533, 0.8544, 0.8662, 0.8702, 0.8671, 0.8695, 0.8658, 0.8700, 0.8718),
        (0.3779, 0.3829, 0.3808, 0.3924, 0.3743, 0.4036, 0.3893, 0.3704, 0.3697, 0.3816),
        (0.8637, 0.8627, 0.8648, 0.8540, 0.8656, 0.8526, 0.8562, 0.8655, 0.8673, 0.8602),
    ),
}
