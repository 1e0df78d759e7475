"""Normal priors."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfcvae.layers.base import normal_tril, positive
from tfcvae.priors.base import Prior, check_no_network

tfd = tfp.distributions


@keras.saving.register_keras_serializable("tfcvae")
class StandardNormal(Prior):
    """The prior N(0, I), without weights.

    Args:
        event_size: int, the number of latent dimensions.
        **kwargs: arguments of `keras.layers.Layer`.

    Raises:
        ValueError: if it is given a network.
    """

    def __init__(self, event_size, **kwargs):
        check_no_network("StandardNormal", kwargs)
        super().__init__(event_size, **kwargs)

    def distribution(self, features):
        zeros = tf.zeros(self.event_shape, self.variable_dtype)
        return tfd.MultivariateNormalDiag(zeros, tf.ones_like(zeros))

    def get_config(self):
        config = super().get_config()
        del config["network"]
        return config

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable("tfcvae")
class LearnedNormal(Prior):
    """A normal prior whose mean and covariance are learned by maximum likelihood.

    With a network it is the p(z|x) of a conditional VAE: mean and covariance are then a `Dense` of
    the network's output that starts at zero.

    Args:
        event_size: int, the number of latent dimensions.
        network: Keras layer or model from x to a context, or `None`.
        covariance: `"diag"` for independent dimensions, `"full"` for the Cholesky factor of any
            covariance.
        **kwargs: arguments of `keras.layers.Layer`.

    Raises:
        ValueError: if `covariance` is unknown.
    """

    def __init__(self, event_size, network=None, covariance="diag", **kwargs):
        super().__init__(event_size, network, **kwargs)
        self.covariance = check_covariance(covariance)

    def build_parameters(self):
        size = self.event_size + scale_size(self.event_size, self.covariance)
        self._parameters = self.add_parameters(size, "normal")

    def distribution(self, features):
        return normal(self._parameters(features), self.event_size, self.covariance)

    def get_config(self):
        return {**super().get_config(), "covariance": self.covariance}


def normal(parameters, event_size, covariance="diag"):
    """The normal distribution of means and raw scales, `[..., size]` together."""
    loc, raw = tf.split(parameters, [event_size, -1], axis=-1)
    if covariance == "full":
        return normal_tril(loc, raw)
    return tfd.MultivariateNormalDiag(loc, positive(raw))


def check_covariance(covariance):
    """Returns a kind of covariance, or raises a `ValueError` that names the argument."""
    if covariance not in ("diag", "full"):
        raise ValueError(
            f"Argument `covariance` must be 'diag' or 'full'. Received: covariance={covariance!r}"
        )
    return covariance


def scale_size(event_size, covariance):
    """The number of raw parameters of a covariance."""
    return event_size if covariance == "diag" else event_size * (event_size + 1) // 2
