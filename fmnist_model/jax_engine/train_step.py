"""The device program of a population: many slots train one step at a time, all in one program.

Whatever tells trials apart is data: weights, velocity, random streams, activations and rates have a
leading axis of slots, over which one slot's step is mapped (`jax.vmap`). Nothing is ever summed
over that axis, so no slot can touch another. What the slots hold is the caller's
(`fmnist_model.jax_engine.slot_group`). All that is called here returns before the device is done;
the answers are arrays that wait for it when they are looked at. KERAS_BACKEND must be jax.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax import lax

from fmnist_model.config import ModelConfig, OutputActivation, TrainConfig
from fmnist_model.dataset.fashion_mnist import Images
from fmnist_model.diagnosis.activity import count_layer, count_output
from fmnist_model.diagnosis.frozen_loss import LOSS_CEILING
from fmnist_model.jax_engine.layers import (
    ChosenActivation,
    Dense,
    GroupedConvolution,
    MatrixConvolution,
    PairwiseMaxPooling,
)
from fmnist_model.jax_engine.state import Controls, JaxImages, SlotWeights
from fmnist_model.network import build, losses
from fmnist_model.training.inspection import CHUNK

Convolution = Literal["grouped", "matrix"]
OUTPUTS: tuple[OutputActivation, ...] = ("softmax", "relu", "sigmoid")
STEPS_PER_LAUNCH = 8
"""Steps after which the host looks at all slots, about: a stopped slot rests until then."""
DETERMINISTIC_OPTIONS = {"xla_gpu_exclude_nondeterministic_ops": True}
"""On a GPU some operations sum in the order in which their threads come; none of these is used, for
else a slot would not be the same to the last bit twice. CPUs have none."""


class VmappedTrainer:
    """`slots` networks of one shape, and the compiled functions that train and examine them.

    The activations of the slots are among `activations`; of `model` and `train` only what is the
    same for all slots matters, which is the rest of the network, and the batch size.
    """

    def __init__(
        self,
        model: ModelConfig,
        batch_size: int,
        precision: str,
        train: Images,
        validation: Images,
        slots: int,
        activations: Sequence[str],
        convolution: Convolution,
    ) -> None:
        self.slots, self.activations = slots, tuple(activations)
        self.train_images, self.validation_images = map(JaxImages.place, (train, validation))
        self.batch = min(batch_size, len(train))
        self.steps = -(-len(train) // self.batch)
        self.stride = -(-self.steps // max(1, round(self.steps / STEPS_PER_LAUNCH)))
        self._build(model, precision, convolution)
        jit = partial(jax.jit, compiler_options=DETERMINISTIC_OPTIONS)
        self._advance = jit(self._stride, donate_argnums=0)
        self._put = jit(_put, donate_argnums=0)
        self._take = jit(_take)
        self._score = jit(self._score_one)
        self._count = jit(self._count_active, static_argnums=5)
        self.pre_activations = jit(self._pre_activations)

    def _build(self, model: ModelConfig, precision: str, convolution: Convolution) -> None:
        template = model.model_copy(update={"output_activation": "softmax"})
        layers = build.Layers(
            partial(ChosenActivation, names=self.activations),
            MatrixConvolution if convolution == "matrix" else GroupedConvolution,
            Dense,
            PairwiseMaxPooling,
        )
        dropout = build.TunableDropout(name="dropout")
        self.network = build.build_network(template, precision, dropout, layers)
        self._logits_network = build.logits_network(self.network)
        self._probe = build.probe_network(self.network)
        self.variables = self.network.trainable_variables
        self._state = self._logits_network.non_trainable_variables
        assert [v.path for v in self._probe.non_trainable_variables] == [
            v.path for v in self._state
        ]

    def blank(self) -> tuple[SlotWeights, Any]:
        """Weights of all slots, and the orders of their images, that nothing has been put into."""

        def stacked(variables: Any) -> list[Any]:
            return [jnp.zeros((self.slots, *v.shape), v.dtype) for v in variables]

        weights = SlotWeights(*map(stacked, (self.variables, self.variables, self._state)))
        return weights, jnp.zeros((self.slots, self.steps * self.batch), jnp.int32)

    def filled(
        self,
        weights: SlotWeights,
        slot: int,
        model: ModelConfig,
        train: TrainConfig,
        given: Sequence[Any] | None = None,
    ) -> SlotWeights:
        """The weights with a trial begun in a slot: `given`, or drawn from its seed, as is the
        dropout stream; velocity zero. The weights that came are used up."""
        if given is None:
            build.initialise(self.network, train.seed)
            given = [variable.value for variable in self.variables]
        own = {
            "activation_index": np.int32(self.activations.index(model.activation)),
            "rate": np.float32(model.dropout),
            "seed_generator_state": np.array([train.seed, 0], np.uint32),
        }
        state = [own[variable.name] for variable in self._state]
        still = [np.zeros(variable.shape, np.float32) for variable in self.variables]
        filled: SlotWeights = self._put(weights, slot, SlotWeights(list(given), still, state))
        return filled

    def ordered(self, orders: Any, slot: int, order: np.ndarray) -> Any:
        """The orders with that of a slot's next epoch, padded to whole batches. Those that came
        are used up."""
        padded = np.zeros(orders.shape[1], np.int32)
        padded[: len(order)] = order
        return self._put(orders, slot, padded)

    def of(self, weights: SlotWeights, slot: int) -> SlotWeights:
        """One slot's weights and the rest, without the leading axis."""
        taken: SlotWeights = self._take(weights, slot)
        return taken

    def advance(
        self, weights: SlotWeights, controls: Controls, rates: np.ndarray, orders: Any
    ) -> tuple[SlotWeights, Controls]:
        """Train `stride` steps, each slot until it stops by itself; return where they stand.

        `rates`, float32 of shape (slots, steps), are the learning rates of each slot's epoch. The
        weights that came are used up.
        """
        moved: tuple[SlotWeights, Controls] = self._advance(
            weights, controls, rates, orders, *self.train_images
        )
        return moved

    def _stride(
        self,
        weights: SlotWeights,
        controls: Controls,
        rates: Any,
        orders: Any,
        pixels: Any,
        labels: Any,
    ) -> Any:
        slots_step = jax.vmap(self._step, in_axes=(0, 0, 0, 0, None, None))

        def step(carry: Any, _: None) -> Any:
            return slots_step(*carry, rates, orders, pixels, labels), None

        return lax.scan(step, (weights, controls), length=self.stride)[0]

    def _step(
        self,
        weights: SlotWeights,
        controls: Controls,
        rates: Any,
        order: Any,
        pixels: Any,
        labels: Any,
    ) -> tuple[SlotWeights, Controls]:
        """One step of one slot, which stays as it is where it has stopped."""
        at = controls.step * self.batch
        chosen = lax.dynamic_slice(order, (at,), (self.batch,))
        present = at + jnp.arange(self.batch) < len(labels)  # the last batch may be smaller
        seen = labels[chosen]
        gradients, (loss, losses, logits, state) = jax.grad(self._loss, has_aux=True)(
            weights.trainable, weights.state, pixels[chosen], seen, present, controls.output
        )
        going = (controls.step < controls.end) & jnp.isfinite(controls.last_loss)
        going &= controls.zero_grad_steps < controls.patience
        moves = going & jnp.isfinite(loss)
        velocity = [
            controls.momentum * v + g for v, g in zip(weights.velocity, gradients, strict=True)
        ]
        rate = rates[controls.step]
        shrunk = 1 - rate * controls.weight_decay
        trainable = [
            (w * shrunk if variable.name == "kernel" else w) - rate * v
            for variable, w, v in zip(self.variables, weights.trainable, velocity, strict=True)
        ]
        no_gradient = jnp.all(gradients[0] == 0)
        counted = controls._replace(
            step=controls.step + 1,
            zero_grad_steps=jnp.where(no_gradient, controls.zero_grad_steps + 1, 0),
            steps_above_ceiling=jnp.where(loss > LOSS_CEILING, controls.steps_above_ceiling + 1, 0),
            loss_sum=controls.loss_sum + jnp.sum(losses),
            correct=controls.correct + self._count_correct(logits, seen, present, controls.output),
            last_loss=loss,
        )
        # Selected, not multiplied: what is not a number stays where it is.
        return (
            SlotWeights(
                _where(moves, trainable, weights.trainable),
                _where(moves, velocity, weights.velocity),
                _where(going, state, weights.state),
            ),
            _where(going, counted, controls),
        )

    def _loss(
        self, trainable: Any, state: Any, pixels: Any, labels: Any, present: Any, output: Any
    ) -> Any:
        logits, state = self._logits_network.stateless_call(
            trainable, state, _scaled(pixels), training=True
        )
        losses = jnp.where(present, _losses(logits, labels, output), 0)
        loss = jnp.sum(losses) / jnp.sum(present)
        return loss, (loss, losses, logits, state)

    def _count_correct(self, logits: Any, labels: Any, present: Any, output: Any) -> Any:
        outputs = lax.switch(output, [keras.activations.get(name) for name in OUTPUTS], logits)
        return jnp.sum((jnp.argmax(outputs, axis=-1) == labels) & present, dtype=jnp.int32)

    def score(self, weights: SlotWeights, slot: int, output: int) -> tuple[Any, Any]:
        """Summed loss and correct ones of a slot on the validation images, without dropout."""
        scored: tuple[Any, Any] = self._score(
            weights.trainable, weights.state, slot, output, *self.validation_images
        )
        return scored

    def _score_one(
        self, trainable: Any, state: Any, slot: Any, output: Any, pixels: Any, labels: Any
    ) -> Any:
        count = len(labels)
        chunks = -(-count // CHUNK)
        size = -(-count // chunks)
        numbers = jnp.arange(chunks * size).reshape(chunks, size)
        trainable, state = _take((trainable, state), slot)

        def add(sums: Any, chosen: Any) -> Any:
            seen = jnp.minimum(chosen, count - 1)
            present = chosen < count
            logits = self._forward(trainable, state, pixels[seen])
            losses = jnp.where(present, _losses(logits, labels[seen], output), 0)
            correct = self._count_correct(logits, labels[seen], present, output)
            return jax.tree.map(jnp.add, sums, (jnp.sum(losses), correct)), None

        return lax.scan(add, (jnp.float32(0), jnp.int32(0)), numbers)[0]

    def _forward(self, trainable: Any, state: Any, pixels: Any) -> Any:
        return self._logits_network.stateless_call(
            trainable, state, _scaled(pixels), training=False
        )[0]

    def count(self, one: SlotWeights, chosen: np.ndarray, activation: str) -> Any:
        """What `fmnist_model.diagnosis.activity` counts on these training images, of one slot's
        network."""
        return self._count(one.trainable, one.state, chosen, *self.train_images, activation)

    def _count_active(
        self, trainable: Any, state: Any, chosen: Any, pixels: Any, labels: Any, activation: str
    ) -> Any:
        *hidden, logits = self._pre_activations(trainable, state, pixels[chosen])
        layers = [count_layer(values, activation) for values in hidden]
        return [*layers, count_output(logits, labels[chosen])]

    def _pre_activations(self, trainable: Any, state: Any, pixels: Any) -> Any:
        return self._probe.stateless_call(trainable, state, _scaled(pixels), training=False)[0]


def _put(stacked: Any, slot: Any, new: Any) -> Any:
    return jax.tree.map(lambda array, value: array.at[slot].set(value), stacked, new)


def _take(stacked: Any, slot: Any) -> Any:
    return jax.tree.map(lambda array: array[slot], stacked)


def _where(condition: Any, new: Any, old: Any) -> Any:
    return jax.tree.map(partial(jnp.where, condition), new, old)


def _losses(logits: Any, labels: Any, output: Any) -> Any:
    """Of each image. Sigmoid trains as softmax does; ReLU clips, and its slope is finite."""
    plain, clipped = (losses.scores(name, logits) for name in ("softmax", "relu"))
    scores = jnp.where(output == OUTPUTS.index("relu"), clipped, plain)
    return losses.cross_entropy_of(scores, labels)


def _scaled(pixels: Any) -> Any:
    return pixels[..., jnp.newaxis].astype(jnp.float32) / 255
