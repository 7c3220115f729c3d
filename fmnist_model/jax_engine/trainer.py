"""The compiled functions that train, evaluate and inspect the networks of many slots. JAX only.

All of them return before the device is done: the arrays wait for it when they are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from fmnist_model.config import ModelConfig, TrainConfig
from fmnist_model.dataset import Images
from fmnist_model.jax_engine.inference import Counts, Score, count_active, evaluate
from fmnist_model.jax_engine.state import (
    AnyArray,
    DeviceWeights,
    HostArray,
    HostControls,
    JaxImages,
    SlotWeights,
)
from fmnist_model.jax_engine.stateless_network import StatelessNetwork
from fmnist_model.jax_engine.train_step import Carry, train_steps

STEPS_PER_CALL = 8
"""About how many steps a call trains, after which the host looks at all slots. A slot that stops in
between is idle until then."""
DETERMINISTIC_OPTIONS = {"xla_gpu_exclude_nondeterministic_ops": True}
"""Some of XLA's operations on a GPU sum in the order in which threads arrive. They are excluded, so
that a trial gives the same bits each time. XLA has none such for CPUs."""
Tree = TypeVar("Tree")


class VmappedTrainer:
    """Trains `slots` networks of one shape, whose weights are the caller's, on the same images.

    An epoch has `steps_per_epoch` steps, a call of `train` makes `steps_per_call` of them.
    """

    def __init__(
        self,
        network: StatelessNetwork,
        slots: int,
        batch_size: int,
        train: Images,
        validation: Images,
    ) -> None:
        self.network, self.slots = network, slots
        self.train_images, self.validation_images = map(JaxImages.place, (train, validation))
        self.batch_size = min(batch_size, len(train))
        self.steps_per_epoch = -(-len(train) // self.batch_size)
        calls = max(1, round(self.steps_per_epoch / STEPS_PER_CALL))
        self.steps_per_call = -(-self.steps_per_epoch // calls)
        self._compile()

    def _compile(self) -> None:
        """Each function is compiled when it is first called."""
        network, jit = self.network, partial(jax.jit, compiler_options=DETERMINISTIC_OPTIONS)
        train = partial(train_steps, network, self.batch_size, self.steps_per_call)
        self._train: Callable[..., Carry] = jit(train, donate_argnums=0)
        self._write: Callable[..., Any] = jit(_write, donate_argnums=0)
        self._read: Callable[..., DeviceWeights] = jit(_read)
        self._evaluate: Callable[..., Score] = jit(partial(_evaluate_slot, network))
        count = partial(count_active, network)
        self._count_active: Callable[..., Counts] = jit(count, static_argnums=3)
        self._pre_activations: Callable[..., list[jax.Array]] = jit(network.pre_activations)

    def empty_weights(self) -> DeviceWeights:
        """Zeros for all slots."""
        return self.network.empty_weights(self.slots)

    def empty_permutations(self) -> jax.Array:
        """Zeros for all slots: the image numbers of an epoch, in whole batches, int32."""
        return jnp.zeros((self.slots, self.steps_per_epoch * self.batch_size), jnp.int32)

    def start_trial(
        self,
        weights: DeviceWeights,
        slot: int,
        model: ModelConfig,
        train: TrainConfig,
        given: Sequence[AnyArray] | None = None,
    ) -> DeviceWeights:
        """Those weights with a new trial in a slot, from `given` weights or those its seed draws.

        The weights that were passed in are donated, and can't be used again.
        """
        first = self.network.first_weights(model, train, given)
        return self.write(weights, slot, first)

    def write(self, weights: DeviceWeights, slot: int, new: SlotWeights[Any]) -> DeviceWeights:
        """Those weights with `new` ones in a slot.

        The weights that were passed in are donated, and can't be used again.
        """
        written: DeviceWeights = self._write(weights, slot, new)
        return written

    def set_permutation(
        self, permutations: jax.Array, slot: int, permutation: HostArray
    ) -> jax.Array:
        """Those permutations with one slot's for its next epoch, an integer for each image.

        The permutations that were passed in are donated, and can't be used again.
        """
        padded = np.zeros(permutations.shape[1], np.int32)
        padded[: len(permutation)] = permutation
        written: jax.Array = self._write(permutations, slot, padded)
        return written

    def read(self, weights: DeviceWeights, slot: int) -> DeviceWeights:
        """One slot's weights, without the leading axis."""
        return self._read(weights, slot)

    def train(
        self,
        weights: DeviceWeights,
        controls: HostControls,
        rates: HostArray,
        permutations: jax.Array,
    ) -> Carry:
        """Train each slot until it stops by itself, `steps_per_call` steps at most.

        `rates`, float32 (slots, steps_per_epoch), are the learning rates of each slot's epoch. The
        weights that were passed in are donated, and can't be used again.
        """
        return self._train(weights, controls, rates, permutations, self.train_images)

    def evaluate(self, weights: DeviceWeights, slot: int, output: int) -> Score:
        """The score of a slot on the validation images."""
        return self._evaluate(weights, slot, output, self.validation_images)

    def count_active(self, weights: DeviceWeights, numbers: HostArray, activation: str) -> Counts:
        """Count active units of one slot's weights on the training images with these numbers."""
        return self._count_active(weights, numbers, self.train_images, activation)

    def pre_activations(self, weights: DeviceWeights, numbers: HostArray) -> list[jax.Array]:
        """Those of each layer, by one slot's weights, on the training images with these numbers."""
        return self._pre_activations(weights, self.train_images.pixels[numbers])


def _evaluate_slot(
    network: StatelessNetwork,
    weights: DeviceWeights,
    slot: int,
    output: int,
    images: JaxImages,
) -> Score:
    return evaluate(network, _read(weights, slot), output, images)


def _write(stacked: Tree, slot: int, new: Tree) -> Tree:
    """Those arrays of shape (slots, ...), with `new` ones of shape (...) in a slot."""
    written: Tree = jax.tree.map(lambda array, value: array.at[slot].set(value), stacked, new)
    return written


def _read(stacked: Tree, slot: int) -> Tree:
    """The slot's arrays of shape (...) of those of shape (slots, ...)."""
    taken: Tree = jax.tree.map(lambda array: array[slot], stacked)
    return taken
