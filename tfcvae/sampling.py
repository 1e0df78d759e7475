"""Draws of latent variables and averages over them."""

import tensorflow as tf

from tfcvae import seeds

ROWS_AT_ONCE = 2048
"""Latent draws evaluated together: enough to keep a processor busy, few enough to fit."""


def draw(distribution, num_samples, rows, seed):
    """Draws `[num_samples, rows, *event]`, whether the batch shape is `[]` or `[rows]`."""
    sample_shape = [num_samples] if distribution.batch_shape.rank else [num_samples, rows]
    return distribution.sample(sample_shape, seed=seed)


def log_mean_exp(log_weights, num_samples, rows, seed, dtype):
    """The log of the mean of weights over draws, in memory that does not grow with their number.

    Args:
        log_weights: function of `(num_draws, seed)` that returns log-weights `[num_draws, rows]`.
        num_samples: int or int scalar, the number of draws for each row.
        rows: int scalar.
        seed: int32 pair.
        dtype: dtype of the log-weights.

    Returns:
        Tensor `[rows]`, a function of the arguments alone: of neither memory nor threads.
    """
    num_samples = tf.convert_to_tensor(num_samples, tf.int32)
    chunk = tf.clip_by_value(ROWS_AT_ONCE // tf.maximum(rows, 1), 1, tf.maximum(num_samples, 1))

    def accumulate(done, total):
        num_draws = tf.minimum(chunk, num_samples - done)
        log_w = log_weights(num_draws, seeds.fold_in(seed, done))
        joined = tf.reduce_logsumexp(tf.concat([total[None], log_w], 0), axis=0)
        return done + num_draws, joined

    start = tf.fill([rows], tf.constant(float("-inf"), dtype))
    _, total = tf.while_loop(
        lambda done, _: done < num_samples,
        accumulate,
        (tf.zeros((), tf.int32), start),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None])),
    )
    return total - tf.math.log(tf.cast(num_samples, dtype))
