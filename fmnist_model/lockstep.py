"""The device program of a population: many slots train one step at a time, all in one program.

Whatever tells trials apart is data: weights, velocity, random streams, activations and rates have a
leading axis of slots, over which one slot's step is mapped (`jax.vmap`). Nothing is ever summed
over that axis, so no slot can touch another. KERAS_BACKEND must be jax.
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

from fmnist_model import network
from fmnist_model.config import ModelConfig, OutputActivation, TrainConfig
from fmnist_model.counting import count_layer, count_output
from fmnist_model.data import Images
from fmnist_model.examination import CHUNK
from fmnist_model.explain import WORST
from fmnist_model.layers import ChosenActivation, MatrixConvolution, PairwiseMaxPooling
from fmnist_model.slots import Controls, DeviceImages, Weights

Convolution = Literal["grouped", "matrix"]
OUTPUTS: tuple[OutputActivation, ...] = ("softmax", "relu", "sigmoid")
STRIDE = 8
"""Steps after which the host looks at all slots, about: a stopped slot rests until then."""
SCORED = 8
"""Slots that are scored at once."""


class Lockstep:
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
        self.train_images, self.validation_images = map(DeviceImages.place, (train, validation))
        self.batch = min(batch_size, len(train))
        self.steps = -(-len(train) // self.batch)
        self.stride = -(-self.steps // max(1, round(self.steps / STRIDE)))
        self._build(model, precision, convolution)
        self.weights = self._blank()
        self.orders = jnp.zeros((slots, self.steps * self.batch), jnp.int32)
        self._advance = jax.jit(self._stride, donate_argnums=0)
        self._put = jax.jit(_put, donate_argnums=0)
        self._take = jax.jit(_take)
        self._score = jax.jit(self._score_group)
        self._count = jax.jit(self._count_active, static_argnums=4)
        self.pre_activations = jax.jit(self._pre_activations)

    def _build(self, model: ModelConfig, precision: str, convolution: Convolution) -> None:
        # Pooling may come first only where all of the activations rise.
        falls = next((a for a in self.activations if a not in network.RISING), self.activations[0])
        template = model.model_copy(update={"activation": falls, "output_activation": "softmax"})
        layers = network.Layers(
            partial(ChosenActivation, names=self.activations),
            MatrixConvolution if convolution == "matrix" else keras.layers.Conv2D,
            PairwiseMaxPooling,
        )
        dropout = network.TunableDropout(name="dropout")
        self.network = network.build_network(template, precision, dropout, layers)
        self._logits_network = network.logits_network(self.network)
        self._probe = network.probe_network(self.network)
        self.variables = self.network.trainable_variables
        self._state = self._logits_network.non_trainable_variables
        assert [v.path for v in self._probe.non_trainable_variables] == [
            v.path for v in self._state
        ]

    def _blank(self) -> Weights:
        def stacked(variables: Any) -> list[Any]:
            return [jnp.zeros((self.slots, *v.shape), v.dtype) for v in variables]

        trainable = stacked(self.variables)
        return Weights(trainable, stacked(self.variables), stacked(self._state))

    def fill(
        self,
        slot: int,
        model: ModelConfig,
        train: TrainConfig,
        weights: Sequence[np.ndarray] | None = None,
    ) -> None:
        """Begin a trial: weights, velocity and the dropout stream from its seed alone."""
        if weights is None:
            network.initialise(self.network, train.seed)
            weights = [np.asarray(variable.value) for variable in self.variables]
        given = {
            "activation_index": np.int32(self.activations.index(model.activation)),
            "rate": np.float32(model.dropout),
            "seed_generator_state": np.array([train.seed, 0], np.uint32),
        }
        state = [given[variable.name] for variable in self._state]
        new = Weights(list(weights), [np.zeros_like(w) for w in weights], state)
        self.weights = self._put(self.weights, slot, new)

    def order(self, slot: int, order: np.ndarray) -> None:
        """Give a slot the order of the images for its next epoch; it is padded to whole batches."""
        padded = np.zeros(self.orders.shape[1], np.int32)
        padded[: len(order)] = order
        self.orders = self._put(self.orders, slot, padded)

    def advance(self, controls: Controls, rates: np.ndarray) -> Controls:
        """Train `stride` steps, each slot until it stops by itself; return where they stand.

        `rates`, float32 of shape (slots, steps), are the learning rates of each slot's epoch.
        """
        self.weights, after = self._advance(
            self.weights, controls, rates, self.orders, *self.train_images
        )
        fetched: Controls = jax.device_get(after)
        return fetched

    def _stride(
        self,
        weights: Weights,
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
        weights: Weights,
        controls: Controls,
        rates: Any,
        order: Any,
        pixels: Any,
        labels: Any,
    ) -> tuple[Weights, Controls]:
        """One step of one slot, which stays as it is where it has stopped."""
        at = controls.step * self.batch
        chosen = lax.dynamic_slice(order, (at,), (self.batch,))
        present = at + jnp.arange(self.batch) < len(labels)  # the last batch may be smaller
        seen = labels[chosen]
        gradients, (loss, losses, logits, state) = jax.grad(self._loss, has_aux=True)(
            weights.trainable, weights.state, pixels[chosen], seen, present, controls.output
        )
        going = (controls.step < controls.end) & jnp.isfinite(controls.last_loss)
        going &= controls.quiet < controls.patience
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
        silent = jnp.all(gradients[0] == 0)
        counted = controls._replace(
            step=controls.step + 1,
            quiet=jnp.where(silent, controls.quiet + 1, 0),
            absurd=jnp.where(loss > WORST, controls.absurd + 1, 0),
            loss_sum=controls.loss_sum + jnp.sum(losses),
            correct=controls.correct + self._count_correct(logits, seen, present, controls.output),
            last_loss=loss,
        )
        # Selected, not multiplied: what is not a number stays where it is.
        return (
            Weights(
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

    def score(self, slots: Sequence[int], outputs: np.ndarray) -> list[tuple[float, float]]:
        """Mean loss and accuracy of these slots on the validation images, without dropout."""
        scores: list[tuple[float, float]] = []
        count = len(self.validation_images.labels)
        group = min(SCORED, self.slots)
        for start in range(0, len(slots), group):
            those = list(slots[start : start + group])
            padded = np.array(those + [those[0]] * (group - len(those)), np.int32)
            arguments = (self.weights.trainable, self.weights.state, padded, outputs[padded])
            sums, correct = jax.device_get(self._score(*arguments, *self.validation_images))
            scores += [
                (float(s) / count, int(c) / count)
                for s, c in zip(sums[: len(those)], correct[: len(those)], strict=True)
            ]
        return scores

    def _score_group(
        self, trainable: Any, state: Any, slots: Any, outputs: Any, pixels: Any, labels: Any
    ) -> Any:
        count = len(labels)
        chunks = -(-count // CHUNK)
        size = -(-count // chunks)
        numbers = jnp.arange(chunks * size).reshape(chunks, size)
        trainable, state = ([array[slots] for array in part] for part in (trainable, state))

        def one(trainable: Any, state: Any, output: Any, chosen: Any) -> Any:
            seen = jnp.minimum(chosen, count - 1)
            present = chosen < count
            logits = self._forward(trainable, state, pixels[seen])
            losses = jnp.where(present, _losses(logits, labels[seen], output), 0)
            return jnp.sum(losses), self._count_correct(logits, labels[seen], present, output)

        def add(sums: Any, chosen: Any) -> Any:
            more = jax.vmap(one, in_axes=(0, 0, 0, None))(trainable, state, outputs, chosen)
            return jax.tree.map(jnp.add, sums, more), None

        zero = jnp.zeros(len(slots))
        return lax.scan(add, (zero, zero.astype(jnp.int32)), numbers)[0]

    def _forward(self, trainable: Any, state: Any, pixels: Any) -> Any:
        return self._logits_network.stateless_call(
            trainable, state, _scaled(pixels), training=False
        )[0]

    def count(self, weights: Weights, chosen: np.ndarray, activation: str) -> Any:
        """What `fmnist_model.counting` counts on these training images, of one slot's network."""
        pixels, labels = (part[chosen] for part in self.train_images)
        return self._count(weights.trainable, weights.state, pixels, labels, activation)

    def _count_active(
        self, trainable: Any, state: Any, pixels: Any, labels: Any, activation: str
    ) -> Any:
        *hidden, logits = self._pre_activations(trainable, state, pixels)
        layers = [count_layer(values, activation) for values in hidden]
        return [*layers, count_output(logits, labels)]

    def _pre_activations(self, trainable: Any, state: Any, pixels: Any) -> Any:
        return self._probe.stateless_call(trainable, state, _scaled(pixels), training=False)[0]

    def of(self, slot: int) -> Weights:
        """One slot's weights and the rest, on the host, without the leading axis."""
        fetched: Weights = jax.device_get(self._take(self.weights, slot))
        return fetched


def _put(stacked: Any, slot: Any, new: Any) -> Any:
    return jax.tree.map(lambda array, value: array.at[slot].set(value), stacked, new)


def _take(stacked: Any, slot: Any) -> Any:
    return jax.tree.map(lambda array: array[slot], stacked)


def _where(condition: Any, new: Any, old: Any) -> Any:
    return jax.tree.map(partial(jnp.where, condition), new, old)


def _losses(logits: Any, labels: Any, output: Any) -> Any:
    """Of each image. Sigmoid trains as softmax does; ReLU clips, and its slope is finite."""
    plain, clipped = (network.scores(name, logits) for name in ("softmax", "relu"))
    scores = jnp.where(output == OUTPUTS.index("relu"), clipped, plain)
    return network.cross_entropy_of(scores, labels)


def _scaled(pixels: Any) -> Any:
    return pixels[..., jnp.newaxis].astype(jnp.float32) / 255
