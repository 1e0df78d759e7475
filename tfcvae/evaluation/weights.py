"""Predictions averaged over random weights."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfcvae import seeds, shapes


class Prediction(NamedTuple):
    """A prediction and how much it varies with the weights.

    Attributes:
        mean: float32 array, the mean over the draws of the weights.
        stddev: float32 array, the standard deviation over them.
    """

    mean: np.ndarray
    stddev: np.ndarray


def predict_over_weights(model, x, num_samples=100, batch_size=500, seed=0):
    """Averages a model's predictions over draws of its random weights.

    Args:
        model: any Keras model with `tfcvae.layers` of random weights in it.
        x: array `[n, ...]`.
        num_samples: int, draws of the weights; each serves all of x, but for the layers by flipout
            and by local reparameterization, whose rows have noise of their own.
        batch_size: int, examples evaluated together.
        seed: int or pair of int32.

    Returns:
        A `Prediction`.

    Raises:
        ValueError: if an argument is out of its range.
    """
    shapes.check_positive_int(num_samples, "num_samples")
    shapes.check_positive_int(batch_size, "batch_size")
    seed = seeds.as_seed(seed)

    def moments(batch):
        def add(i, total, squares):
            with seeds.weight_noise(seeds.fold_in(seed, i)):
                y = tf.cast(model(batch, training=False), tf.float64)
            return i + 1, total + y, squares + y**2

        zeros = tf.zeros_like(tf.cast(model(batch, training=False), tf.float64))
        _, total, squares = tf.while_loop(
            lambda i, *_: i < num_samples, add, (tf.constant(0), zeros, zeros)
        )
        mean = total / num_samples
        return mean, tf.sqrt(tf.maximum(squares / num_samples - mean**2, 0.0))

    batches = tf.data.Dataset.from_tensor_slices(x).batch(batch_size)
    compiled = tf.function(moments, autograph=False).get_concrete_function(batches.element_spec)
    results = [compiled(batch) for batch in batches]
    return Prediction(*(np.concatenate(part).astype("float32") for part in zip(*results)))
