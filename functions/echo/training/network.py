"""The view classifier in JAX: five blocks of 3x3 convolution, ReLU and 2x2 max-pool, then one dense layer."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

FILTERS = (32, 64, 128, 256, 512)
CLASSES = 3


class Weights(NamedTuple):
    """Kernels are height x width x in x out; the dense layer takes rows, columns, channels in that order."""

    kernels: tuple[jnp.ndarray, ...]
    biases: tuple[jnp.ndarray, ...]
    dense: jnp.ndarray
    dense_bias: jnp.ndarray


def pooled(side: int) -> int:
    """A side of the last feature map: halved, rounded down, once a block."""
    return side >> len(FILTERS)


def initial(rng: np.random.Generator, *, width: int, height: int) -> Weights:
    """Random weights by He's rule for layers followed by a ReLU."""
    channels = (1, *FILTERS)
    kernels = tuple(
        jnp.asarray(rng.normal(0, np.sqrt(2 / (9 * i)), (3, 3, i, o)), jnp.float32)
        for i, o in zip(channels, FILTERS, strict=False)
    )
    size = pooled(width) * pooled(height) * FILTERS[-1]
    dense = jnp.asarray(rng.normal(0, np.sqrt(1 / size), (size, CLASSES)), jnp.float32)
    return Weights(kernels, tuple(jnp.zeros(o) for o in FILTERS), dense, jnp.zeros(CLASSES))


def parameters(weights: Weights) -> int:
    """How many numbers are learnt."""
    return sum(leaf.size for leaf in jax.tree.leaves(weights))


def logits(weights: Weights, frames: jnp.ndarray, keep: jnp.ndarray | None = None) -> jnp.ndarray:
    """One row of three for each frame (n x height x width, 0..1); `keep` masks features while training."""
    features = frames[..., None]
    for kernel, bias in zip(weights.kernels, weights.biases, strict=True):
        features = jax.nn.relu(_convolved(features, kernel) + bias)
        features = _halved(features)
    flat = features.reshape(features.shape[0], -1)
    return (flat if keep is None else flat * keep) @ weights.dense + weights.dense_bias


def _convolved(features: jnp.ndarray, kernel: jnp.ndarray) -> jnp.ndarray:
    return jax.lax.conv_general_dilated(
        features, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _halved(features: jnp.ndarray) -> jnp.ndarray:
    """2x2 max-pool; an odd last row or column is dropped. Faster on a CPU than reduce_window."""
    count, rows, columns, channels = features.shape
    even = features[:, : rows // 2 * 2, : columns // 2 * 2]
    return even.reshape(count, rows // 2, 2, columns // 2, 2, channels).max((2, 4))


def loss(
    weights: Weights, frames: jnp.ndarray, views: jnp.ndarray, keep: jnp.ndarray | None = None
) -> jnp.ndarray:
    """Mean cross-entropy with labels smoothed by 5 %."""
    wanted = jax.nn.one_hot(views, CLASSES) * 0.95 + 0.05 / CLASSES
    return -(wanted * jax.nn.log_softmax(logits(weights, frames, keep))).sum(axis=1).mean()
