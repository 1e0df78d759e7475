"""Priors by mixtures."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfcvae import shapes
from tfcvae.bijectors import Parameters
from tfcvae.layers.base import positive
from tfcvae.priors.base import Prior

tfd = tfp.distributions


@keras.saving.register_keras_serializable("tfcvae")
class GaussianMixture(Prior):
    """A mixture of diagonal normal distributions, whose parameters are all learned.

    The means start as draws of N(0, I). With a network, logits, means and scales are a `Dense` of
    its output, so that the mixture differs from x to x. Its draws carry gradients to all of them,
    the logits too.

    Args:
        event_size: int, the number of latent dimensions.
        num_components: int.
        network: Keras layer or model from x to a context, or `None`.
        **kwargs: arguments of `keras.layers.Layer`.

    Reference:
        Dilokthanakul et al., Deep Unsupervised Clustering with Gaussian Mixture VAEs (2016),
        arXiv:1611.02648; gradients of draws: Figurnov et al., Implicit Reparameterization
        Gradients (2018), arXiv:1805.08498.
    """

    def __init__(self, event_size, num_components=32, network=None, **kwargs):
        super().__init__(event_size, network, **kwargs)
        self.num_components = shapes.check_positive_int(num_components, "num_components")

    def build_parameters(self):
        size = self.num_components * self.event_size
        units = {"logits": (self.num_components, "zeros")}
        units |= {"locs": (size, keras.initializers.RandomNormal(stddev=1.0))}
        units |= {"raw_scales": (size, "zeros")}
        self._parameters = []
        for name, (number, initializer) in units.items():
            layer = Parameters(number, initializer, dtype=self.variable_dtype, name=name)
            layer.build(self.context_shape)
            self._parameters.append(layer)

    def distribution(self, features):
        logits, locs, raw_scales = (parameters(features) for parameters in self._parameters)
        batch = shapes.dims(logits)[:-1]
        locs, raw_scales = (
            tf.reshape(values, [*batch, self.num_components, self.event_size])
            for values in (locs, raw_scales)
        )
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits),
            tfd.Independent(tfd.Normal(locs, positive(raw_scales)), 1),
            reparameterize=True,
        )

    def get_config(self):
        return {**super().get_config(), "num_components": self.num_components}
