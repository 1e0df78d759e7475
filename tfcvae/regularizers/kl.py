"""The Kullback-Leibler divergence between posterior and prior."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfcvae import shapes
from tfcvae.regularizers.base import (
    Regularizer,
    check_number_or_schedule,
    number_at,
    serialize_number,
    weighted_mean,
)

tfd = tfp.distributions


def kl_divergence(posterior, prior, z):
    """KL(posterior || prior) for each row, in nats.

    Exact where TFP has a formula for the pair, otherwise the Monte Carlo mean of
    log q(z) - log p(z) over the given draws; the choice is made when the function is traced.

    Args:
        posterior: distribution q, batch shape `[batch]`.
        prior: distribution p, batch shape `[]` or `[batch]`.
        z: draws of the posterior, `[num_samples, batch, event_size]`.

    Returns:
        Tensor `[batch]`.
    """
    exact = exact_kl_divergence(posterior, prior)
    return tf.reduce_mean(posterior.log_prob(z) - prior.log_prob(z), 0) if exact is None else exact


def exact_kl_divergence(posterior, prior):
    """KL(posterior || prior) by TFP's formula for the pair, or `None` if it has none."""
    try:
        return tfd.kl_divergence(_as_diag(posterior), _as_diag(prior))
    except NotImplementedError:
        return None


def kl_per_dimension(posterior, prior):
    """KL of each latent dimension, `[batch, event_size]`, or `None` if one does not factorise."""
    factors = [_factors(posterior), _factors(prior)]
    return None if None in factors else tfd.kl_divergence(*factors)


@keras.saving.register_keras_serializable("tfcvae")
class KL(Regularizer):
    """The KL term of the ELBO, with a weight (beta), a floor or a capacity.

    Args:
        weight: float >= 0, or a `keras.optimizers.schedules.LearningRateSchedule` of the training
            step; `PolynomialDecay(0.0, steps, end_learning_rate=1.0)` is the linear warm-up.
        free_bits: float >= 0, in nats in spite of its name: the mean over the batch of the KL of
            each dimension counts as at least this much. If posterior or prior does not factorise
            over dimensions the floor applies to their total, and there is one group.
        capacity: `None`, or a float >= 0 or schedule of the training step: the penalty is then
            `|KL - capacity|`.
        num_groups: int, how many groups of consecutive dimensions have a floor of `free_bits` each;
            `None` for one group for each dimension.
        name: str.

    Raises:
        ValueError: if an argument is out of its range, `free_bits` and `capacity` are combined, or
            `num_groups` is given without `free_bits`; in training, if there are no such groups.

    Reference:
        Higgins et al., beta-VAE (ICLR 2017); Kingma et al., Improved Variational Inference with
        Inverse Autoregressive Flow (2016), arXiv:1606.04934 (free bits); Burgess et al.,
        Understanding disentangling in beta-VAE (2018), arXiv:1804.03599 (capacity).
    """

    def __init__(self, weight=1.0, free_bits=0.0, capacity=None, num_groups=None, name="kl"):
        super().__init__(weight, name)
        self.free_bits = shapes.check_not_negative(free_bits, "free_bits")
        self.capacity = capacity
        if capacity is not None:
            self.capacity = check_number_or_schedule(capacity, "capacity")
            if self.free_bits:
                raise ValueError(
                    "Arguments `free_bits` and `capacity` exclude each other. "
                    f"Received: free_bits={free_bits}, capacity={capacity}"
                )
        if num_groups is not None:
            shapes.check_positive_int(num_groups, "num_groups")
            if not self.free_bits:
                raise ValueError(
                    "Argument `num_groups` needs `free_bits`, the floor of each group. "
                    f"Received: num_groups={num_groups}, free_bits={free_bits}"
                )
        self.num_groups = num_groups

    @property
    def is_raw(self):
        """Whether the penalty is the KL itself, without a floor or a capacity."""
        return not self.free_bits and self.capacity is None

    def penalty(self, posterior, prior, z, *, step, seed, sample_weight=None):
        if self.free_bits:
            return tf.reduce_sum(
                tf.maximum(self._groups(posterior, prior, z, sample_weight), self.free_bits)
            )
        kl = weighted_mean(kl_divergence(posterior, prior, z), sample_weight)
        if self.capacity is None:
            return kl
        return tf.abs(kl - number_at(self.capacity, step, kl.dtype))

    def _groups(self, posterior, prior, z, sample_weight):
        """The mean KL of each group of dimensions, or the total alone if it does not factorise."""
        kl = kl_per_dimension(posterior, prior)
        if kl is None:
            if self.num_groups not in (None, 1):
                raise ValueError(
                    "Argument `num_groups` needs a posterior and a prior that factorise over "
                    f"dimensions. Received: num_groups={self.num_groups}, {posterior} and {prior}"
                )
            return weighted_mean(kl_divergence(posterior, prior, z)[None], sample_weight)
        means = weighted_mean(tf.transpose(kl), sample_weight)
        if self.num_groups is None:
            return means
        if means.shape[0] % self.num_groups:
            raise ValueError(
                f"Argument `num_groups` must divide the {means.shape[0]} latent dimensions. "
                f"Received: num_groups={self.num_groups}"
            )
        return tf.reduce_sum(tf.reshape(means, [self.num_groups, -1]), -1)

    def get_config(self):
        return {
            **super().get_config(),
            "free_bits": self.free_bits,
            "capacity": serialize_number(self.capacity),
            "num_groups": self.num_groups,
        }


def _as_diag(distribution):
    """Turns an `Independent(Normal)` into the `MultivariateNormalDiag` of TFP's formulas."""
    if isinstance(distribution, tfd.Independent) and distribution.event_shape.rank == 1:
        factors = distribution.distribution
        if isinstance(factors, tfd.Normal):
            return tfd.MultivariateNormalDiag(factors.mean(), factors.stddev())
    return distribution


def _factors(distribution):
    if isinstance(distribution, tfd.Independent):
        factors = distribution.distribution
        return factors if isinstance(factors, tfd.Normal) else None
    if isinstance(distribution, tfd.MultivariateNormalDiag):
        return tfd.Normal(distribution.mean(), distribution.stddev())
    return None
