"""Estimates of a likelihood from the parts of a batch, in nats."""

import tensorflow as tf

from tfcvae import seeds
from tfcvae.regularizers import kl_divergence
from tfcvae.sampling import draw, log_mean_exp


def elbo(parts, num_samples, seed):
    """The evidence lower bound of each row `[batch]`, with the given number of draws of z."""
    z = parts.posterior.sample(num_samples, seed=seed)
    log_lik = tf.reduce_mean(parts.likelihood(z).log_prob(parts.target), 0)
    with seeds.estimate_noise(seed):
        return log_lik - kl_divergence(parts.posterior, parts.prior, z)


def log_prob(parts, num_samples, method, seed):
    """An estimate of each row's log-likelihood `[batch]`, in memory that draws do not add to."""
    rows = tf.shape(parts.target)[0]

    def importance(num_draws, seed):
        z = parts.posterior.sample(num_draws, seed=seed)
        with seeds.estimate_noise(seed):
            log_ratio = parts.prior.log_prob(z) - parts.posterior.log_prob(z)
        return parts.likelihood(z).log_prob(parts.target) + log_ratio

    def monte_carlo(num_draws, seed):
        z = draw(parts.prior, num_draws, rows, seed)
        return parts.likelihood(z).log_prob(parts.target)

    log_weights = importance if method == "importance" else monte_carlo
    return log_mean_exp(log_weights, num_samples, rows, seed, parts.target.dtype)
