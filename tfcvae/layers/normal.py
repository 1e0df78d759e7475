"""Distribution layers whose distributions are normal."""

import numbers

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfcvae import shapes
from tfcvae.layers.base import independent, normal_tril, positive
from tfcvae.layers.projection import ProjectedLayer

tfd = tfp.distributions


@keras.saving.register_keras_serializable("tfcvae")
class IndependentNormal(ProjectedLayer):
    """Independent normal distributions over the elements of an event.

    Args:
        event_shape: int or sequence of ints, the shape of one draw.
        network: Keras layer or model from the inputs to features, or `None`.
        scale: `None` for a scale of each element from the features, `"shared"` for one learned
            scale common to all elements, or a float > 0 for a known one.
        projection: `False` for raw parameters as features: `params_size` of them with
            `scale=None`, the means alone otherwise.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        `[*samples, batch, ...]`, or a tuple of such tensors.

    Output shape:
        A `tfd.Independent(tfd.Normal)` with event shape `event_shape`.

    Raises:
        ValueError: if `scale` is none of the three.
    """

    num_params = 2

    def __init__(self, event_shape, network=None, scale=None, projection=True, **kwargs):
        super().__init__(event_shape, network, projection, **kwargs)
        number = isinstance(scale, numbers.Real) and not isinstance(scale, bool)
        if not (scale is None or scale == "shared" or (number and 0 < scale < np.inf)):
            raise ValueError(
                'Argument `scale` must be None, "shared" or a finite float > 0. '
                f"Received: scale={scale}"
            )
        self.scale = float(scale) if number else scale

    def build_parameters(self):
        super().build_parameters()
        if self.scale == "shared":
            self._raw_scale = self.add_weight(
                shape=(), initializer="zeros", autocast=False, name="raw_scale"
            )

    def distribution(self, features):
        if self.scale is None:
            loc, raw_scale = self._elementwise(features)
            return independent(tfd.Normal(loc, positive(raw_scale)), self.event_shape)
        (loc,) = self._elementwise(features, 1)
        if self.scale == "shared":
            scale = positive(tf.convert_to_tensor(self._raw_scale))
        else:
            scale = tf.constant(self.scale, loc.dtype)
        return independent(tfd.Normal(loc, scale), self.event_shape)

    @property
    def raw_size(self):
        return super().raw_size // (1 if self.scale is None else 2)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable("tfcvae")
class MultivariateNormalTriL(ProjectedLayer):
    """Multivariate normal distribution with a full covariance, by its Cholesky factor.

    Args:
        event_size: int, the number of dimensions.
        network: Keras layer or model from the inputs to features, or `None`.
        projection: `False` for raw parameters as features, `params_size` of them: the mean, then
            the triangle in the order of `tfp.math.fill_triangular`.
        **kwargs: arguments of `keras.layers.Layer`.

    Output shape:
        A `tfd.MultivariateNormalTriL` with event shape `[event_size]`.
    """

    def __init__(self, event_size, network=None, projection=True, **kwargs):
        super().__init__(
            shapes.check_positive_int(event_size, "event_size"), network, projection, **kwargs
        )

    @classmethod
    def params_size(cls, event_size):
        """Number of raw parameters that describe one event."""
        return event_size + event_size * (event_size + 1) // 2

    def distribution(self, features):
        (d,) = self.event_shape
        loc, triangle = tf.split(features, [d, self.raw_size - d], axis=-1)
        return normal_tril(loc, triangle)

    @property
    def raw_size(self):
        return self.params_size(self.event_shape[0])

    def get_config(self):
        config = super().get_config()
        (event_size,) = config.pop("event_shape")
        return {**config, "event_size": event_size}
