"""Stateless seeds: every draw is a pure function of an int32 pair."""

import contextlib
import random
import threading

import numpy as np
import tensorflow as tf

_INT32 = tf.int32


def as_seed(seed=None):
    """Turns what a public method accepts as a seed into an int32 pair.

    Args:
        seed: an int `s`, meaning the pair `(0, s)`; a pair of int32; or `None` for fresh noise,
            which follows `keras.utils.set_random_seed`.

    Returns:
        int32 tensor of shape `[2]`.

    Raises:
        ValueError: if `seed` is none of these.
    """
    if seed is None:
        return tf.random.uniform((2,), _INT32.min, _INT32.max, dtype=_INT32)
    if tf.is_tensor(seed) and seed.shape.rank == 1:
        return tf.cast(tf.ensure_shape(seed, [2]), _INT32)
    pair = np.asarray(seed)
    integers = np.issubdtype(pair.dtype, np.integer)
    pair = np.append(0, pair) if pair.shape == () else pair
    if not integers or pair.shape != (2,) or np.any((pair > _INT32.max) | (pair < _INT32.min)):
        raise ValueError(
            "Argument `seed` must be an int, a pair of ints within the range of int32, or None. "
            f"Received: seed={seed}"
        )
    return tf.constant(pair, _INT32)


def split(seed, num=2):
    """Splits a seed into `num` independent ones: a list of int32 pairs."""
    return tf.unstack(tf.random.experimental.stateless_split(seed, num))


def fold_in(seed, data):
    """A new seed from a seed and an integer, such as a step or an index."""
    return tf.random.experimental.stateless_fold_in(seed, tf.cast(data, _INT32))


def base_seed(seed=None):
    """A seed as an int; a fresh one that follows `keras.utils.set_random_seed` if it is `None`."""
    return random.randint(0, 2**31 - 1) if seed is None else int(seed)


class _Scope(threading.local):
    """A context manager of a seed, called with it; `seed` is that of the innermost, or `None`."""

    seed = None

    @contextlib.contextmanager
    def __call__(self, seed):
        earlier, self.seed = self.seed, seed
        try:
            yield
        finally:
            self.seed = earlier


weight_noise = _Scope()
"""Within it random weights are drawn from a seed, or are their means if it is `None`.

A model's training step and the averages over weights open it, so that all parts of a model draw
from one seed, and the draw is the same on every replica.
"""

estimate_noise = _Scope()
"""Within it densities that are estimated, as that of a `priors.SecondStage`, draw from a seed.

The estimates of a model open it, with a seed of each batch and replica.
"""


def weight_seed(generator, salt, training=True):
    """The seed that a layer draws its random weights from, or `None` for their mean.

    Args:
        generator: the layer's `keras.random.SeedGenerator`, used outside of `weight_noise`.
        salt: int of the layer's own.
        training: bool.
    """
    if weight_noise.seed is not None:
        return fold_in(weight_noise.seed, salt)
    return next_seed(generator) if training else None


def next_seed(generator):
    """The next seed of a `keras.random.SeedGenerator`, as an int32 pair."""
    return tf.cast(generator.next(), _INT32)
