"""Priors by mixtures of normal distributions."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfcvae import shapes
from tfcvae.layers.base import normal_tril, positive
from tfcvae.mixtures import mixture
from tfcvae.priors.base import Prior
from tfcvae.priors.normal import check_covariance, scale_size

tfd = tfp.distributions


@keras.saving.register_keras_serializable("tfcvae")
class GaussianMixture(Prior):
    """A mixture of normal distributions, whose parameters are all learned.

    The means start as draws of N(0, I). With a network, logits, means and scales are a `Dense` of
    its output, so that the mixture differs from x to x. Its draws carry gradients to all of them,
    the logits too.

    Args:
        event_size: int, the number of latent dimensions.
        num_components: int.
        covariance: `"diag"` for independent dimensions within a component, `"full"` for the
            Cholesky factor of any covariance.
        network: Keras layer or model from x to a context, or `None`.
        **kwargs: arguments of `keras.layers.Layer`.

    Raises:
        ValueError: if `covariance` is unknown.

    Reference:
        Dilokthanakul et al., Deep Unsupervised Clustering with Gaussian Mixture VAEs (2016),
        arXiv:1611.02648.
    """

    def __init__(self, event_size, num_components=32, covariance="diag", network=None, **kwargs):
        super().__init__(event_size, network, **kwargs)
        self.num_components = shapes.check_positive_int(num_components, "num_components")
        self.covariance = check_covariance(covariance)

    def build_parameters(self):
        k, size = self.num_components, scale_size(self.event_size, self.covariance)
        normal = keras.initializers.RandomNormal(stddev=1.0)
        self._parameters = [
            self.add_parameters(k, "logits"),
            self.add_parameters(k * self.event_size, "locs", normal),
            self.add_parameters(k * size, "raw_scales"),
        ]

    def distribution(self, features):
        logits, locs, raw_scales = (parameters(features) for parameters in self._parameters)
        batch = [*shapes.dims(logits)[:-1], self.num_components]
        locs = tf.reshape(locs, [*batch, self.event_size])
        raw_scales = tf.reshape(raw_scales, [*batch, raw_scales.shape[-1] // self.num_components])
        if self.covariance == "diag":
            return mixture(logits, tfd.Independent(tfd.Normal(locs, positive(raw_scales)), 1))
        return mixture(logits, normal_tril(locs, raw_scales))

    def get_config(self):
        return {
            **super().get_config(),
            "num_components": self.num_components,
            "covariance": self.covariance,
        }
