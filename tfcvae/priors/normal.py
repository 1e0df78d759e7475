"""Normal priors."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfcvae.bijectors import Parameters
from tfcvae.layers.base import positive
from tfcvae.priors.base import Prior

tfd = tfp.distributions


@keras.saving.register_keras_serializable("tfcvae")
class StandardNormal(Prior):
    """The prior N(0, I), without weights.

    Args:
        event_size: int, the number of latent dimensions.
        **kwargs: arguments of `keras.layers.Layer`.
    """

    def __init__(self, event_size, **kwargs):
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
    """A diagonal normal prior whose mean and scale are learned by maximum likelihood.

    With a network it is the p(z|x) of a conditional VAE: mean and scale are then a `Dense` of the
    network's output that starts at zero.

    Args:
        event_size: int, the number of latent dimensions.
        network: Keras layer or model from x to a context, or `None`.
        **kwargs: arguments of `keras.layers.Layer`.
    """

    def build_parameters(self):
        self._parameters = normal_parameters(self)

    def distribution(self, features):
        return normal(self._parameters(features))


def normal_parameters(prior):
    """Creates the parameters of a normal distribution for a prior, free or given its context."""
    parameters = Parameters(2 * prior.event_size, dtype=prior.variable_dtype, name="normal")
    parameters.build(prior.context_shape)
    return parameters


def normal(parameters):
    """The diagonal normal distribution of parameters `[..., 2 * event_size]`."""
    loc, raw_scale = tf.split(parameters, 2, axis=-1)
    return tfd.MultivariateNormalDiag(loc, positive(raw_scale))
