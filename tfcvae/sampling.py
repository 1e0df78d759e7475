"""Draws of latent variables and averages over them."""

import tensorflow as tf

from tfcvae import seeds

ROWS_AT_ONCE = 2048
"""Latent draws evaluated together: enough to keep a processor busy, few enough to fit."""


def draw(distribution, num_samples, rows, seed):
    """Draws `[num_samples, rows, *event]`, whether the batch shape is `[]` or `[rows]`."""
    sample_shape = [num_samples] if has_rows(distribution) else [num_samples, rows]
    return distribution.sample(sample_shape, seed=seed)


def has_rows(distribution):
    """Whether the batch shape is `[rows]`, not `[]`.

    The batch shape of a `tfd.BatchBroadcast` over an unknown number of rows has no static rank.
    """
    return distribution.batch_shape.rank != 0


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


def log_mean(log_weights):
    """The log of the mean of weights over the first axis."""
    number = tf.cast(tf.shape(log_weights)[0], log_weights.dtype)
    return tf.reduce_logsumexp(log_weights, 0) - tf.math.log(number)


def doubly_reparameterized(posterior, prior, likelihood, z, target):
    """The importance-weighted bound, with the doubly reparameterized gradient.

    The parameters of the posterior receive a gradient through z alone, by the squared weights, so
    that its variance does not grow with the number of draws; those of prior and likelihood receive
    that of the bound itself. The density of the posterior is taken at z as a constant.

    Args:
        posterior: distribution q, batch shape `[batch]`.
        prior: distribution p, batch shape `[]` or `[batch]`.
        likelihood: function from z to a distribution of the target.
        z: draws of the posterior, `[num_samples, batch, event_size]`.
        target: `[batch, *event_shape]`.

    Returns:
        The likelihood at z, the log-likelihoods `[num_samples, batch]`, the bound `[batch]`, and
        the bound once more with the gradient to ascend.

    Reference:
        Tucker et al., Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives (2019),
        arXiv:1810.04152.
    """
    fixed = tf.stop_gradient(z)
    with tf.GradientTape() as tape:
        tape.watch(fixed)
        at_z = likelihood(fixed)
        log_lik = at_z.log_prob(target)
        log_joint = log_lik + prior.log_prob(fixed)
        log_weights = log_joint - posterior.log_prob(fixed)
    slopes = tf.stop_gradient(tape.gradient(log_weights, fixed))
    weights = tf.stop_gradient(tf.nn.softmax(log_weights, 0))
    bound = log_mean(log_weights)
    through_z = weights**2 * tf.reduce_sum(slopes * z, -1)
    surrogate = tf.reduce_sum(weights * log_joint + through_z, 0)
    return at_z, log_lik, bound, surrogate + tf.stop_gradient(bound - surrogate)
