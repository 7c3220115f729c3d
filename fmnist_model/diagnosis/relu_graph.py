"""The graph of a functional Keras model: which ReLUs there are, and what they cut off when dead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import keras

from fmnist_model.diagnosis.keras_internals import call_number, inputs_of, operation_of

Tensor = Any  # Keras has no types
Operation = Any

RELUS = (keras.activations.relu, keras.activations.relu6)


class ReluGraph:
    """The symbolic tensors of a functional or sequential model, from its outputs to its inputs.

    `outputs` are those of the model; `relus` are the outputs of its ReLUs by name, those nearest to
    the outputs first. A model within the model is one operation whose inside is not examined.
    Raises ValueError for a model that is neither functional nor sequential, or is not built yet.
    """

    def __init__(self, model: keras.Model) -> None:
        if not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
            raise ValueError(
                f"the model {model.name} has no graph of layers; "
                "take a functional model, or a sequential one that knows its input shape"
            )
        self.outputs: list[Tensor] = keras.tree.flatten(model.outputs)
        tensors = self._upstream(self.outputs, without=())
        self.relus: dict[str, Tensor] = {_name(t): t for t in tensors if _is_relu(t)}

    def outputs_are_cut_off_by(self, dead: Iterable[str]) -> bool:
        """Does every path from an input to an output go through one of these ReLUs?"""
        without = [self.relus[name] for name in dead]
        return all(inputs_of(tensor) for tensor in self._upstream(self.outputs, without))

    def operations_before(self, names: Iterable[str]) -> list[Operation]:
        """The operations on which these ReLUs depend, and those that they are part of."""
        return _operations(self._upstream([self.relus[name] for name in names], without=()))

    def operations_behind(self, names: Iterable[str]) -> list[Operation]:
        """The operations that reach an output without going through these ReLUs."""
        without = [self.relus[name] for name in names]
        return _operations(self._upstream(self.outputs, without=without))

    def _upstream(self, tensors: list[Tensor], without: Iterable[Tensor]) -> Iterator[Tensor]:
        """These tensors and all that they are computed from, but not by way of those `without`."""
        seen = {id(tensor) for tensor in without}
        waiting = list(tensors)
        while waiting:
            tensor = waiting.pop()
            if id(tensor) not in seen:
                seen.add(id(tensor))
                yield tensor
                waiting += inputs_of(tensor)


def _operations(tensors: Iterable[Tensor]) -> list[Operation]:
    operations = map(operation_of, tensors)
    return list({id(operation): operation for operation in operations}.values())


def _name(tensor: Tensor) -> str:
    """The layer's name, with the number of the call where the layer is called more than once."""
    number, name = call_number(tensor), str(operation_of(tensor).name)
    return f"{name}:{number}" if number else name


def _is_relu(tensor: Tensor) -> bool:
    operation = operation_of(tensor)
    if isinstance(operation, keras.layers.RNN):  # whose output need not be that of its activation
        return False
    if isinstance(operation, keras.layers.ReLU):
        return not operation.negative_slope and operation.threshold == 0
    by_function = getattr(operation, "activation", None) in RELUS
    return by_function or type(operation).__name__ in ("Relu", "Relu6")
