"""One network with its compiled epoch, on data that lives on the device; trials take turns on it.

Learning rates, momentum, dropout rate, batch size and the like are inputs of the compiled loop, and
weights are set anew in place, so that a program is traced once whatever the trials ask of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from fmnist_model.config import IMAGE_SIDE, ModelConfig, TrainConfig
from fmnist_model.dataset.fashion_mnist import Images
from fmnist_model.diagnosis.activity import count_layer, count_output
from fmnist_model.diagnosis.frozen_loss import LOSS_CEILING
from fmnist_model.network import build
from fmnist_model.tensorflow_engine.augmentation import augment
from fmnist_model.tensorflow_engine.batch_norm import FusedBatchNormalization
from fmnist_model.tensorflow_engine.concrete_function import ConcreteFunction
from fmnist_model.training.inspection import CHUNK, InspectableNetwork, NamedWeight
from fmnist_model.training.protocol import TrainReply

PIXELS_SPEC = tf.TensorSpec((None, IMAGE_SIDE, IMAGE_SIDE), tf.uint8)
LABELS_SPEC = tf.TensorSpec((None,), tf.int32)
"""Any number of images: what is traced once serves a last, smaller chunk too."""
WHOLE, REAL = tf.TensorSpec((), tf.int32), tf.TensorSpec((), tf.float32)
SETTINGS = [tf.TensorSpec((), tf.int64), tf.TensorSpec((3,), tf.float32)]
"""The seed; weight decay, momentum and dropout rate."""
EPOCH = [tf.TensorSpec((None,), tf.float32), tf.TensorSpec((5,), tf.int32)]
"""The learning rates of an epoch's steps, and the whole numbers that `TrainingProgram.train`
takes."""
STEP = [REAL, WHOLE, WHOLE]
"""The learning rate of a step, and the counts of steps without a gradient or above the ceiling."""


class TensorImages(NamedTuple):
    """Images on the device: pixels uint8 (n, 28, 28), labels int32 (n,)."""

    pixels: Any
    labels: Any

    @classmethod
    def place(cls, images: Images) -> TensorImages:
        """Copy images to the device once."""
        return cls(
            tf.constant(images.pixels, dtype=tf.uint8), tf.constant(images.labels, dtype=tf.int32)
        )

    def __len__(self) -> int:
        return int(self.pixels.shape[0])

    def chunks(self) -> Iterator[TensorImages]:
        """The images in pieces of at most CHUNK."""
        if len(self) <= CHUNK:
            yield self
            return
        for start in range(0, len(self), CHUNK):
            yield TensorImages(
                self.pixels[start : start + CHUNK], self.labels[start : start + CHUNK]
            )


class TrainingProgram(InspectableNetwork):
    """One network with its compiled training loop; trials take turns on it."""

    def __init__(self, config: ModelConfig, precision: str, train: TensorImages) -> None:
        self.config = config
        self._data = train
        self._dropout = build.TunableDropout(name="dropout")
        self.network = build.build_network(
            config,
            precision,
            self._dropout,
            build.Layers(normalization=FusedBatchNormalization),
        )
        self._logits_network = build.logits_network(self.network)
        self._probe = build.probe_network(self.network)
        self.layers = build.weighted_layers(self.network)
        self.before_dropout = build.layers_before_dropout(self.network)
        self.variables = self.network.trainable_variables
        self.state = build.state_variables(self.network)
        self._velocity = [tf.Variable(tf.zeros_like(v.value)) for v in self.variables]
        self._momentum = tf.Variable(0.0)
        self._weight_decay = tf.Variable(0.0)
        self._draws = keras.random.SeedGenerator(0)
        self._shown = train
        self._reset = ConcreteFunction(self._begin, SETTINGS)
        self._steps = ConcreteFunction(
            self._train_steps, [PIXELS_SPEC, LABELS_SPEC, *EPOCH], loops=True
        )
        # Inlined into the loop, the gradient of max pooling would mostly miss oneDNN's kernel, for
        # that is chosen in an order which a loop confuses: a step would take twice as long.
        self._step = tf.function(
            self._train_step,
            input_signature=[PIXELS_SPEC, LABELS_SPEC, *STEP],
            autograph=False,
            experimental_attributes={"_noinline": True},
        )
        self._augment = tf.function(augment)
        self._score = ConcreteFunction(self._sum_up, [PIXELS_SPEC, LABELS_SPEC])
        self._gradients = ConcreteFunction(self._clean_gradients, [LABELS_SPEC])
        self._count = ConcreteFunction(self._count_active, [PIXELS_SPEC, LABELS_SPEC])

    def reset(self, train: TrainConfig, dropout: float) -> None:
        """Begin a trial: weights, velocity and the dropout stream from its seed alone."""
        self._reset(
            tf.constant(train.seed, tf.int64),
            tf.constant((train.weight_decay, train.momentum, dropout), tf.float32),
        )

    def _begin(self, seed: Any, settings: Any) -> Any:
        build.initialise(self.network, seed, self._draws)
        build.begin_stream(self._dropout.seed_generator, seed)
        for velocity in self._velocity:
            velocity.assign(tf.zeros_like(velocity))
        variables = (self._weight_decay, self._momentum, self._dropout.rate)
        for variable, value in zip(variables, tf.unstack(settings), strict=True):
            variable.assign(value)

    def show(self, epoch: int, train: TrainConfig) -> None:
        """Shuffle and augment the images for an epoch, from the trial's seed and its number."""
        order = np.random.default_rng([train.seed, epoch]).permutation(len(self._data))
        order = tf.constant(order)
        pixels, labels = (
            tf.raw_ops.GatherV2(params=part, indices=order, axis=0) for part in self._data
        )
        if train.flip or train.shift:
            pixels = self._augment(
                pixels,
                tf.constant([train.seed, epoch]),
                tf.constant(train.flip),
                tf.constant(float(train.shift)),
            )
        self._shown = TensorImages(pixels, labels)

    def train(
        self,
        rates: np.ndarray,
        first: int,
        batch_size: int,
        zero_grad_steps: int,
        steps_above_ceiling: int,
        patience: int,
    ) -> TrainReply:
        """Train on the images shown from step `first` (0-based) to the end of the epoch.

        `rates` are the learning rates of the epoch's steps. Stops early at a loss that is not
        finite, with the weights that gave it, or once the first layer's gradient has been exactly
        zero for `patience` steps in a row: no signal reaches that layer then. `zero_grad_steps` and
        `steps_above_ceiling` are what the call before returned.
        """
        step, *counts, loss_sum, correct, last_loss = self._steps(
            *self._shown,
            tf.constant(rates, tf.float32),
            tf.constant(
                (first, batch_size, zero_grad_steps, steps_above_ceiling, patience), tf.int32
            ),
        )
        zero_grad_steps, steps_above_ceiling = map(int, counts)
        return TrainReply(
            int(step),
            zero_grad_steps,
            steps_above_ceiling,
            float(loss_sum),
            int(correct),
            float(last_loss),
        )

    def _train_steps(self, all_pixels: Any, all_labels: Any, rates: Any, numbers: Any) -> Any:
        first, batch, zero_grad_steps, steps_above_ceiling, patience = tf.unstack(numbers)
        step, loss_sum, correct, last_loss = first, 0.0, 0, 0.0
        # Not `and`, which would trace a branch for each part.
        while (step < tf.size(rates)) & tf.math.is_finite(last_loss) & (zero_grad_steps < patience):
            chosen = slice(step * batch, (step + 1) * batch)
            last_loss, batch_sum, batch_correct, zero_grad_steps, steps_above_ceiling = self._step(
                all_pixels[chosen],
                all_labels[chosen],
                rates[step],
                zero_grad_steps,
                steps_above_ceiling,
            )
            loss_sum += batch_sum
            correct += batch_correct
            step += 1
        return step, zero_grad_steps, steps_above_ceiling, loss_sum, correct, last_loss

    def _train_step(
        self, pixels: Any, labels: Any, rate: Any, zero_grad_steps: Any, steps_above_ceiling: Any
    ) -> Any:
        gradients, loss, losses, logits = self._gradients_of(pixels, labels, True)
        self._update(gradients, rate, tf.math.is_finite(loss))
        zero_grad_steps, steps_above_ceiling = self._watch(
            zero_grad_steps, steps_above_ceiling, gradients[0], loss
        )
        return (
            loss,
            tf.reduce_sum(losses),
            self._count_correct(logits, labels),
            zero_grad_steps,
            steps_above_ceiling,
        )

    def _gradients_of(self, pixels: Any, labels: Any, training: bool) -> Any:
        with tf.GradientTape() as tape:
            logits = self._logits_network(_scaled(pixels), training=training)
            losses = self._losses(logits, labels)
            loss = tf.reduce_mean(losses)
        return tape.gradient(loss, [v.value for v in self.variables]), loss, losses, logits

    def gradients(self, chosen: np.ndarray) -> list[np.ndarray]:
        """The gradients of the mean loss on these training images, without dropout."""
        return [gradient.numpy() for gradient in self._gradients(tf.constant(chosen, tf.int32))]

    def _clean_gradients(self, chosen: Any) -> Any:
        pixels, labels = (tf.gather(part, chosen) for part in self._data)
        return self._gradients_of(pixels, labels, False)[0]

    def _update(self, gradients: list[Any], rate: Any, finite: Any) -> None:
        # Weights are selected, not guarded by a condition: TensorFlow would move gradients into its
        # branch, apart from the others, and then sum those of biases in a slow kernel of its own.
        shrunk = 1 - rate * self._weight_decay
        for variable, velocity, gradient in zip(
            self.variables, self._velocity, gradients, strict=True
        ):
            velocity.assign(self._momentum * velocity + gradient)
            kept = shrunk * variable if variable.name == "kernel" else variable
            variable.assign(tf.where(finite, kept - rate * velocity, variable))

    def _watch(
        self, zero_grad_steps: Any, steps_above_ceiling: Any, first_gradient: Any, loss: Any
    ) -> Any:
        """No signal reaches the first layer if any layer behind it is dead: it stands for all."""
        no_gradient = tf.reduce_all(first_gradient == 0)
        return tf.where(no_gradient, zero_grad_steps + 1, 0), tf.where(
            loss > LOSS_CEILING, steps_above_ceiling + 1, 0
        )

    def score(self, images: TensorImages) -> tuple[float, float]:
        """Mean loss and accuracy on `images`, without dropout."""
        loss_sum, correct = 0.0, 0
        for chunk in images.chunks():
            losses, right = self._score(*chunk)
            loss_sum += float(losses)
            correct += int(right)
        return loss_sum / len(images), correct / len(images)

    def _sum_up(self, pixels: Any, labels: Any) -> Any:
        logits = self._forward(pixels)
        return tf.reduce_sum(self._losses(logits, labels)), self._count_correct(logits, labels)

    def _forward(self, pixels: Any) -> Any:
        """The output layer's pre-activations, float32 (n, 10), without dropout."""
        return self._logits_network(_scaled(pixels), training=False)

    def _losses(self, logits: Any, labels: Any) -> Any:
        return build.cross_entropy(self.config.output_activation, logits, labels)

    def _count_correct(self, logits: Any, labels: Any) -> Any:
        outputs = keras.activations.get(self.config.output_activation)(logits)
        predicted = tf.argmax(outputs, axis=-1, output_type=tf.int32)
        return tf.reduce_sum(tf.cast(predicted == labels, tf.int32))

    @property
    def images(self) -> int:
        """How many training images there are."""
        return len(self._data)

    def weights(self) -> list[NamedWeight]:
        """See `InspectableNetwork`."""
        return [NamedWeight(v.path.split("/")[-2], v.name, v.numpy()) for v in self.state]

    def counts(self) -> Iterator[tuple[int, Sequence[Any]]]:
        """See `InspectableNetwork`."""
        for chunk in self._data.chunks():
            yield len(chunk), self._count(*chunk)

    def pre_activations(self, batch: slice) -> list[Any]:
        """See `InspectableNetwork`."""
        seen = self._pre_activations(self._shown.pixels[batch])
        return [tf.cast(values, tf.float32) for values in seen]

    @contextmanager
    def after_momentum(self, rate: float) -> Iterator[None]:
        """The weights where their velocity carries them at this learning rate if no gradient comes
        any more."""
        weights = [tf.identity(variable.value) for variable in self.variables]
        way = rate * self._momentum / (1 - self._momentum)
        for variable, velocity in zip(self.variables, self._velocity, strict=True):
            variable.assign(variable - way * velocity)
        try:
            yield
        finally:
            for variable, weight in zip(self.variables, weights, strict=True):
                variable.assign(weight)

    def _count_active(self, pixels: Any, labels: Any) -> Any:
        *hidden, logits = self._pre_activations(pixels)
        activation = self.config.activation
        return [
            *(count_layer(values, activation) for values in hidden),
            count_output(logits, labels),
        ]

    def _pre_activations(self, pixels: Any) -> list[Any]:
        return list(self._probe(_scaled(pixels), training=False))


def _scaled(pixels: Any) -> Any:
    return tf.cast(pixels, tf.float32)[..., tf.newaxis] / 255
