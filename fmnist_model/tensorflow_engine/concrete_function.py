"""A function that TensorFlow has compiled, called without what its own wrapper takes each time."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import tensorflow as tf


class ConcreteFunction:
    """A function on the device, traced when it is first called, for tensors of this signature.

    What `tf.function` returns examines its arguments anew at each call, which takes twice as long
    as the call itself. `loops` says whether there are Python loops over tensors in it.
    """

    def __init__(
        self, function: Callable[..., Any], signature: list[tf.TensorSpec], loops: bool = False
    ) -> None:
        self.traced = tf.function(function, input_signature=signature, autograph=loops)

    @cached_property
    def _concrete(self) -> Any:
        return self.traced.get_concrete_function()

    def __call__(self, *tensors: Any) -> Any:
        return self._concrete(*tensors)
