"""One network with its compiled epoch, on data that lives on the device; trials take turns on it.

Learning rate, momentum, dropout rate and batch size are inputs of the compiled loop, and weights
are set anew in place, so that a program is traced once whatever the trials ask of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from fmnist_model import network
from fmnist_model.config import CLASSES, ModelConfig, TrainConfig
from fmnist_model.data import Images
from fmnist_model.health import Census

CHUNK = 1000
"""Images in one forward pass outside training."""


class DeviceImages(NamedTuple):
    """Images on the device: pixels uint8 (n, 28, 28), labels int32 (n,)."""

    pixels: Any
    labels: Any

    @classmethod
    def place(cls, images: Images) -> DeviceImages:
        """Copy images to the device once."""
        return cls(
            tf.constant(images.pixels, dtype=tf.uint8), tf.constant(images.labels, dtype=tf.int32)
        )

    def __len__(self) -> int:
        return int(self.pixels.shape[0])

    def chunks(self) -> Iterator[DeviceImages]:
        """The images in pieces of at most CHUNK."""
        for start in range(0, len(self), CHUNK):
            yield DeviceImages(
                self.pixels[start : start + CHUNK], self.labels[start : start + CHUNK]
            )


class Steps(NamedTuple):
    """What a stretch of training steps returned; `quiet` counts, for each trainable variable,
    for how many steps in a row its gradient has been exactly zero."""

    step: int
    quiet: Any
    loss_sum: float
    correct: int
    last_loss: float


class Program:
    """One network with its compiled training loop; trials take turns on it."""

    def __init__(self, config: ModelConfig, precision: str, train: DeviceImages) -> None:
        self.config = config
        self._data = train
        self._dropout = network.TunableDropout(name="dropout")
        self.network = network.build_network(config, precision, self._dropout)
        self._probe = network.probe_network(self.network)
        self.layers = network.pre_activation_layers(self.network)
        self.before_dropout = self._layers_before_dropout()
        self.variables = self.network.trainable_variables
        self._velocity = [tf.Variable(tf.zeros_like(v.value)) for v in self.variables]
        self._learning_rate = tf.Variable(0.0)
        self._momentum = tf.Variable(0.0)
        self._steps = tf.function(self._train_steps)
        self._logits = tf.function(self._forward, reduce_retracing=True)
        self._count = tf.function(self._count_active, reduce_retracing=True)

    def reset(self, train: TrainConfig, dropout: float) -> None:
        """Begin a trial: weights, velocity and the dropout stream from its seed alone."""
        network.initialise(self.network, train.seed)
        for velocity in self._velocity:
            velocity.assign(tf.zeros_like(velocity))
        self._learning_rate.assign(train.learning_rate)
        self._momentum.assign(train.momentum)
        self._dropout.rate.assign(dropout)
        self._dropout.seed_generator.state.assign([train.seed, 0])

    def train(
        self, order: np.ndarray, first: int, batch_size: int, quiet: Any, patience: int
    ) -> Steps:
        """Train on the images in `order` from step `first` (0-based) to the end of the epoch.

        Stops early after a loss that is not finite, or once the first layer's gradient has been
        exactly zero for `patience` steps in a row: no signal reaches it then.
        """
        step, quiet, loss_sum, correct, last_loss = self._steps(
            tf.constant(order, tf.int32),
            tf.constant(first, tf.int32),
            tf.constant(batch_size, tf.int32),
            quiet,
            tf.constant(patience, tf.int32),
        )
        return Steps(int(step), quiet, float(loss_sum), int(correct), float(last_loss))

    def _train_steps(self, order: Any, first: Any, batch: Any, quiet: Any, patience: Any) -> Any:
        steps = (tf.size(order) + batch - 1) // batch
        step, loss_sum, correct, last_loss = first, 0.0, 0, 0.0
        while step < steps and tf.math.is_finite(last_loss) and quiet[0] < patience:
            chosen = order[step * batch : (step + 1) * batch]
            labels = tf.gather(self._data.labels, chosen)
            with tf.GradientTape() as tape:
                logits = self._pre_activations(tf.gather(self._data.pixels, chosen), True)[-1]
                losses = self._losses(logits, labels)
                last_loss = tf.reduce_mean(losses)
            gradients = tape.gradient(last_loss, [v.value for v in self.variables])
            zero = tf.stack([tf.reduce_all(gradient == 0) for gradient in gradients])
            quiet = tf.where(zero, quiet + 1, 0)
            for variable, velocity, gradient in zip(
                self.variables, self._velocity, gradients, strict=True
            ):
                velocity.assign(self._momentum * velocity + gradient)
                variable.assign(variable - self._learning_rate * velocity)
            loss_sum += tf.reduce_sum(losses)
            correct += self._count_correct(logits, labels)
            step += 1
        return step, quiet, loss_sum, correct, last_loss

    def score(self, images: DeviceImages) -> tuple[float, float]:
        """Mean loss and accuracy on `images`, without dropout."""
        logits = self.logits(images)
        losses = self._losses(logits, images.labels)
        correct = self._count_correct(logits, images.labels)
        return float(tf.reduce_mean(losses)), int(correct) / len(images)

    def logits(self, images: DeviceImages) -> Any:
        """The output layer's pre-activations, float32 (n, 10), without dropout."""
        return tf.concat([self._logits(chunk.pixels) for chunk in images.chunks()], axis=0)

    def _forward(self, pixels: Any) -> Any:
        return self._pre_activations(pixels, False)[-1]

    def _pre_activations(self, pixels: Any, training: bool) -> Any:
        scaled = tf.cast(pixels, tf.float32)[..., tf.newaxis] / 255
        return self._probe(scaled, training=training)

    def _losses(self, logits: Any, labels: Any) -> Any:
        return network.cross_entropy(self.config.output_activation, logits, labels)

    def _count_correct(self, logits: Any, labels: Any) -> Any:
        outputs = keras.activations.get(self.config.output_activation)(logits)
        predicted = tf.argmax(outputs, axis=-1, output_type=tf.int32)
        return tf.reduce_sum(tf.cast(predicted == labels, tf.int32))

    def census(self, with_dropout: bool) -> Census:
        """Count on all training images which units are active; stop once nothing can be dead.

        Leaves the dropout stream as it found it.
        """
        stream = self._dropout.seed_generator.state
        before = tf.identity(stream.value)
        watched = self.layers[:-1] if self.config.activation == "relu" else []
        active = {name: np.zeros(self._units(name), bool) for name in watched}
        relu_output = self.config.output_activation == "relu"
        images, open_outputs, label_saturated = 0, 0, 0
        saturated = np.zeros(CLASSES + 1, int)
        for chunk in self._data.chunks():
            layers, opened, histogram, labelled = self._count(*chunk, with_dropout)
            for name, flags in zip(watched, layers, strict=True):
                active[name] |= flags.numpy()
            images += len(chunk)
            open_outputs += int(opened)
            label_saturated += int(labelled)
            saturated += histogram.numpy()
            all_alive = all(flags.any() for flags in active.values())
            if all_alive and (open_outputs or not relu_output):
                break
        stream.assign(before)
        return Census(
            images=images,
            complete=images == len(self._data),
            active={name: int(flags.sum()) for name, flags in active.items()},
            units={name: len(flags) for name, flags in active.items()},
            open_outputs=open_outputs if relu_output else None,
            saturated=tuple(int(count) for count in saturated) if relu_output else None,
            label_saturated=label_saturated if relu_output else None,
        )

    def _count_active(self, pixels: Any, labels: Any, training: bool) -> Any:
        *hidden, logits = self._pre_activations(pixels, training)
        hidden = hidden if self.config.activation == "relu" else []
        layers = [tf.reduce_any(h > 0, axis=tuple(range(len(h.shape) - 1))) for h in hidden]
        above = logits > 1 - network.CLIP
        opened = tf.math.count_nonzero((logits >= network.CLIP) & ~above)
        histogram = tf.math.bincount(
            tf.math.count_nonzero(above, axis=-1, dtype=tf.int32), minlength=CLASSES + 1
        )
        labelled = tf.math.count_nonzero(tf.gather(above, labels, axis=1, batch_dims=1))
        return layers, opened, histogram, labelled

    def _units(self, layer: str) -> int:
        return int(self._probe.get_layer(layer).output.shape[-1])

    def _layers_before_dropout(self) -> frozenset[str]:
        names = [layer.name for layer in self.network.layers]
        return frozenset(names[: names.index("dropout")]) & frozenset(self.layers)
