"""A convolution as one matrix product, which suits many slots at once. JAX only."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

ALIGNMENT = 8
"""Rows of patches are padded with zeros to a multiple of this many numbers, as the matrix units of
a GPU require."""
MAX_PARTS = 128
"""The gradient of the kernel is summed in up to this many parts of a batch, each a matrix product
of its own. The gradient is small and the sum is long, so a single product would leave most of a GPU
idle."""


@jax.custom_vjp
def matrix_convolution(inputs: jax.Array, kernel: jax.Array) -> jax.Array:
    """A convolution without padding as one matrix product of patches and kernel (im2col).

    `inputs` has the shape (n, height, width, channels), `kernel` (side, side, channels, filters),
    the result (n, height - side + 1, width - side + 1, filters). The gradients are written out so
    that the patches are laid out only once: otherwise XLA copies them transposed for the gradient
    of the kernel, which takes a GPU longer than the products themselves.
    """
    return _convolve(inputs, kernel)[0]


def _convolve(inputs: jax.Array, kernel: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The outputs, and the patches: a row for each output position, padded with zeros."""
    side, _, channels, filters = kernel.shape
    height, width = inputs.shape[1] - side + 1, inputs.shape[2] - side + 1
    inputs = lax.optimization_barrier(inputs)  # else XLA computes them anew for each of the pieces
    # side * side pieces of shape (n, height, width, channels), one for each position in the kernel
    pieces = [inputs[:, i : i + height, j : j + width] for i in range(side) for j in range(side)]
    size = side * side * channels
    pieces.append(jnp.zeros((*pieces[0].shape[:3], -size % ALIGNMENT), inputs.dtype))
    patches = jnp.concatenate(pieces, axis=-1)  # (n, height, width, aligned size)
    patches = jnp.reshape(patches, (-1, patches.shape[-1]))  # (n * height * width, aligned size)
    outputs = patches @ _as_matrix(kernel)  # (n * height * width, filters)
    return jnp.reshape(outputs, (len(inputs), height, width, filters)), patches


def _as_matrix(kernel: jax.Array) -> jax.Array:
    """The kernel with the shape (aligned size, filters)."""
    matrix = jnp.reshape(kernel, (-1, kernel.shape[-1]))
    return jnp.pad(matrix, ((0, -len(matrix) % ALIGNMENT), (0, 0)))


Residuals = tuple[jax.Array, jax.Array]
"""What the backward pass needs: patches and kernel."""


def _forward(inputs: jax.Array, kernel: jax.Array) -> tuple[jax.Array, Residuals]:
    outputs, patches = _convolve(inputs, kernel)
    return outputs, (patches, kernel)


def _backward(residuals: Residuals, gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The gradients of inputs and kernel, both summed in float32."""
    patches, kernel = residuals
    of_kernel = _kernel_gradient(patches, kernel, gradient)
    return _input_gradient(kernel, gradient), of_kernel


def _kernel_gradient(patches: jax.Array, kernel: jax.Array, gradient: jax.Array) -> jax.Array:
    side, _, channels, filters = kernel.shape
    size, count = side * side * channels, len(gradient)
    parts = max(part for part in range(1, MAX_PARTS + 1) if count % part == 0)
    summed = lax.dot_general(
        jnp.reshape(patches, (parts, -1, patches.shape[-1])),
        jnp.reshape(gradient, (parts, -1, filters)),
        (((1,), (1,)), ((0,), (0,))),
        preferred_element_type=jnp.float32,
    ).sum(axis=0)  # (parts, aligned size, filters) -> (aligned size, filters)
    return jnp.reshape(summed[:size], kernel.shape).astype(kernel.dtype)


def _input_gradient(kernel: jax.Array, gradient: jax.Array) -> jax.Array:
    side, _, channels, filters = kernel.shape
    count, height, width, _ = gradient.shape
    size = side * side * channels
    of_patches = jnp.reshape(gradient, (-1, filters)) @ jnp.reshape(kernel, (size, filters)).T
    of_patches = jnp.reshape(of_patches, (count, height, width, side, side, channels))
    margin = side - 1
    summed = sum(  # each position of the kernel adds its (n, height, width, channels), shifted
        jnp.pad(
            of_patches[:, :, :, i, j].astype(jnp.float32),
            ((0, 0), (i, margin - i), (j, margin - j), (0, 0)),
        )
        for i in range(side)
        for j in range(side)
    )
    return jnp.asarray(summed, gradient.dtype)


matrix_convolution.defvjp(_forward, _backward)
