"""What stands between the steps of a flow."""

import keras
import numpy as np
import scipy.linalg
import tensorflow as tf
import tensorflow_probability as tfp

from tfcvae import shapes
from tfcvae.bijectors.transforms import bounded_log_scale

tfb = tfp.bijectors


@keras.saving.register_keras_serializable("tfcvae")
class Permutation(keras.layers.Layer):
    """A fixed random order of the dimensions.

    Args:
        event_size: int, the number of dimensions.
        seed: int.
        **kwargs: arguments of `keras.layers.Layer`.
    """

    def __init__(self, event_size, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.event_size = shapes.check_positive_int(event_size, "event_size")
        self.seed = seed

    def call(self, context=None):
        order = np.random.default_rng(self.seed).permutation(self.event_size)
        return tfb.Permute(order.tolist())

    def get_config(self):
        return {**super().get_config(), "event_size": self.event_size, "seed": self.seed}


@keras.saving.register_keras_serializable("tfcvae")
class LinearMixing(keras.layers.Layer):
    """A learned invertible matrix, by its LU decomposition, which starts as a random rotation.

    Args:
        event_size: int, the number of dimensions.
        seed: int, of the rotation.
        **kwargs: arguments of `keras.layers.Layer`.

    Reference:
        Kingma and Dhariwal, Glow (2018), arXiv:1807.03039.
    """

    def __init__(self, event_size, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.event_size = shapes.check_positive_int(event_size, "event_size")
        self.seed = seed

    def build(self, context_shape=None):
        normal = np.random.default_rng(self.seed).standard_normal((self.event_size,) * 2)
        rows, lower, upper = scipy.linalg.lu(np.linalg.qr(normal)[0], p_indices=True)
        self._permutation = np.argsort(rows).tolist()
        diagonal = np.diag(upper)
        self._start = diagonal.astype(self.variable_dtype)
        triangles = np.tril(lower, -1) + np.triu(upper, 1)
        self.triangles = self.add_weight(
            shape=triangles.shape,
            initializer=lambda shape, dtype: tf.constant(triangles, dtype),
            name="triangles",
            autocast=False,
        )
        self.raw_scale = self.add_weight(
            shape=(self.event_size,), initializer="zeros", name="raw_scale", autocast=False
        )

    def call(self, context=None):
        diagonal = self._start * tf.exp(bounded_log_scale(tf.convert_to_tensor(self.raw_scale)))
        lower_upper = tf.linalg.set_diag(tf.convert_to_tensor(self.triangles), diagonal)
        return tfb.ScaleMatvecLU(lower_upper, self._permutation)

    def get_config(self):
        return {**super().get_config(), "event_size": self.event_size, "seed": self.seed}


@keras.saving.register_keras_serializable("tfcvae")
class ActNorm(keras.layers.Layer):
    """A learned shift and scale for each dimension, the identity until it is initialised.

    Args:
        event_size: int, the number of dimensions.
        **kwargs: arguments of `keras.layers.Layer`.

    Reference:
        Kingma and Dhariwal, Glow (2018), arXiv:1807.03039.
    """

    def __init__(self, event_size, **kwargs):
        super().__init__(**kwargs)
        self.event_size = shapes.check_positive_int(event_size, "event_size")

    def build(self, context_shape=None):
        self.shift, self.log_scale = (
            self.add_weight(
                shape=(self.event_size,), initializer="zeros", name=name, autocast=False
            )
            for name in ("shift", "log_scale")
        )

    def call(self, context=None):
        scale = tfb.Scale(log_scale=tf.convert_to_tensor(self.log_scale))
        return tfb.Shift(tf.convert_to_tensor(self.shift))(scale)

    def initialize(self, values):
        """Makes the inverse of `values` `[rows, event_size]` have mean 0 and variance 1."""
        self.shift.assign(tf.reduce_mean(values, 0))
        self.log_scale.assign(tf.math.log(tf.math.reduce_std(values, 0) + 1e-6))

    def get_config(self):
        return {**super().get_config(), "event_size": self.event_size}
