"""Stateless seeds: every draw is a pure function of an int32 pair."""

import random

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


def fold_in_replica(seed):
    """A seed of this replica's own when several of them train in sync."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return seed
    return fold_in(seed, context.replica_id_in_sync_group)


def default_seed():
    """A fresh int seed that follows `keras.utils.set_random_seed`."""
    return random.randint(0, 2**31 - 1)
