"""The graph of a functional Keras model: which ReLUs there are, and what they cut off when dead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import keras

RELUS = (keras.activations.relu, keras.activations.relu6)


class ReluGraph:
    """The tensors of a functional or sequential model, from its outputs back to its inputs.

    A model within the model is one operation, and what is in it is not seen. Raises ValueError
    for a model that is neither functional nor sequential, or was not built yet.
    """

    def __init__(self, model: keras.Model) -> None:
        if not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
            raise ValueError(
                f"the model {model.name} has no graph of layers; "
                "take a functional model, or a sequential one that knows its input shape"
            )
        self.outputs: list[Any] = keras.tree.flatten(model.outputs)
        self.tensors = list(self._upstream(self.outputs, without=()))
        self.relus = {_name(tensor): tensor for tensor in self.tensors if _is_relu(tensor)}

    def outputs_are_cut_off_by(self, dead: Iterable[str]) -> bool:
        """Does every path from an input to an output go through one of these ReLUs?"""
        without = [self.relus[name] for name in dead]
        return not any(
            _is_input(tensor) for tensor in self._upstream(self.outputs, without=without)
        )

    def operations_before(self, names: Iterable[str]) -> list[Any]:
        """The operations on which these ReLUs depend, and those that they are part of."""
        return _operations(self._upstream([self.relus[name] for name in names], without=()))

    def operations_behind(self, names: Iterable[str]) -> list[Any]:
        """The operations that reach an output without going through these ReLUs."""
        without = [self.relus[name] for name in names]
        return _operations(self._upstream(self.outputs, without=without))

    def _upstream(self, tensors: list[Any], without: Iterable[Any]) -> Iterator[Any]:
        seen = {id(tensor) for tensor in without}
        waiting = list(tensors)
        while waiting:
            tensor = waiting.pop()
            if id(tensor) not in seen:
                seen.add(id(tensor))
                yield tensor
                waiting += _node(tensor).input_tensors


def _operations(tensors: Iterable[Any]) -> list[Any]:
    return list({id(_operation(t)): _operation(t) for t in tensors}.values())


def _operation(tensor: Any) -> Any:
    return tensor._keras_history.operation


def _node(tensor: Any) -> Any:
    return _operation(tensor)._inbound_nodes[tensor._keras_history.node_index]


def _name(tensor: Any) -> str:
    """The layer's name, with a number where the layer is used more than once."""
    index = tensor._keras_history.node_index
    return f"{_operation(tensor).name}:{index}" if index else str(_operation(tensor).name)


def _is_input(tensor: Any) -> bool:
    return not _node(tensor).input_tensors


def _is_relu(tensor: Any) -> bool:
    operation = _operation(tensor)
    if isinstance(operation, keras.layers.RNN):  # what its activation is, its output need not be
        return False
    if isinstance(operation, keras.layers.ReLU):
        return not operation.negative_slope and operation.threshold == 0
    by_function = getattr(operation, "activation", None) in RELUS
    return by_function or type(operation).__name__ in ("Relu", "Relu6")
