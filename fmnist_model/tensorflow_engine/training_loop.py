"""The compiled training loop: many steps in one call, until it has to stop. TensorFlow only."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from fmnist_model.diagnosis import LOSS_CEILING
from fmnist_model.tensorflow_engine.concrete_function import ConcreteFunction
from fmnist_model.tensorflow_engine.images import IMAGES_SPEC, TensorImages
from fmnist_model.tensorflow_engine.sgd import SGD
from fmnist_model.tensorflow_engine.trainable_network import TrainableNetwork
from fmnist_model.training import TrainReply, TrainRequest

Tensor = Any  # TensorFlow has no types

EPOCH_SPEC = [tf.TensorSpec((None,), tf.float32), tf.TensorSpec((5,), tf.int32)]
"""The learning rates of an epoch's steps, and the whole numbers of a `TrainRequest`, in order."""
STEP_SPEC = [
    tf.TensorSpec((), tf.float32),
    tf.TensorSpec((), tf.int32),
    tf.TensorSpec((), tf.int32),
]
"""A step's learning rate, and the counts of steps without a gradient and above the ceiling."""


class TrainingLoop:
    """Trains a network on images of the device, compiled when it is first called.

    Whatever a request asks for is an input of the compiled loop, so that it is traced only once.
    """

    def __init__(self, network: TrainableNetwork, sgd: SGD) -> None:
        self._network, self._sgd = network, sgd
        self.compiled = ConcreteFunction(self._steps, [*IMAGES_SPEC, *EPOCH_SPEC], loops=True)
        # Inlined into the loop, the gradient of max pooling would mostly miss oneDNN's kernel, for
        # that is chosen in an order which a loop confuses: a step would take twice as long.
        self._compiled_step = tf.function(
            self._step,
            input_signature=[*IMAGES_SPEC, *STEP_SPEC],
            autograph=False,
            experimental_attributes={"_noinline": True},
        )

    def run(self, images: TensorImages, request: TrainRequest) -> TrainReply:
        """Train on these images, in their order, as the request asks."""
        rates, *numbers = request
        step, zero_grad_steps, steps_above_ceiling, loss_sum, correct, last_loss = self.compiled(
            *images, tf.constant(rates, tf.float32), tf.constant(numbers, tf.int32)
        )
        return TrainReply(
            int(step),
            int(zero_grad_steps),
            int(steps_above_ceiling),
            float(loss_sum),
            int(correct),
            float(last_loss),
        )

    def _steps(
        self, all_pixels: Tensor, all_labels: Tensor, rates: Tensor, numbers: Tensor
    ) -> tuple[Tensor, ...]:
        """The loop, whose results are those of `TrainReply`, in order."""
        first, batch, zero_grad_steps, steps_above_ceiling, patience = tf.unstack(numbers)
        step, loss_sum, correct, last_loss = first, 0.0, 0, 0.0
        # Not `and`, which would trace a branch for each part.
        while (step < tf.size(rates)) & tf.math.is_finite(last_loss) & (zero_grad_steps < patience):
            chosen = slice(step * batch, (step + 1) * batch)
            (
                last_loss,
                batch_sum,
                batch_correct,
                zero_grad_steps,
                steps_above_ceiling,
            ) = self._compiled_step(
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

    def _step(
        self,
        pixels: Tensor,
        labels: Tensor,
        rate: Tensor,
        zero_grad_steps: Tensor,
        steps_above_ceiling: Tensor,
    ) -> tuple[Tensor, ...]:
        gradients, loss, losses, logits = self._network.backward(pixels, labels, training=True)
        self._sgd.update(gradients, rate, tf.math.is_finite(loss))
        zero_grad_steps, steps_above_ceiling = self._counted(
            zero_grad_steps, steps_above_ceiling, gradients[0], loss
        )
        correct = self._network.count_correct(logits, labels)
        return loss, tf.reduce_sum(losses), correct, zero_grad_steps, steps_above_ceiling

    def _counted(
        self,
        zero_grad_steps: Tensor,
        steps_above_ceiling: Tensor,
        first_gradient: Tensor,
        loss: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Both counts after a step. The first layer's gradient stands for all: no signal reaches it
        if any layer behind it is dead."""
        no_gradient = tf.reduce_all(first_gradient == 0)
        return tf.where(no_gradient, zero_grad_steps + 1, 0), tf.where(
            loss > LOSS_CEILING, steps_above_ceiling + 1, 0
        )
