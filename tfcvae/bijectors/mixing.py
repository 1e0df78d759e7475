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
    """A fixed order of the dimensions.

    Args:
        order: sequence of ints, a permutation of `0, ..., event_size - 1`: the place that each
            dimension of the result has before.
        **kwargs: arguments of `keras.layers.Layer`.

    Raises:
        ValueError: if `order` is not a permutation.
    """

    def __init__(self, order, **kwargs):
        super().__init__(**kwargs)
        self.order = [int(place) for place in order]
        if sorted(self.order) != list(range(len(self.order))):
            raise ValueError(
                f"Argument `order` must be a permutation of 0, 1, 2, ... Received: order={order}"
            )

    def call(self, context=None):
        return tfb.Permute(self.order)

    def get_config(self):
        return {**super().get_config(), "order": self.order}


def random_orders(event_size, num_passive, count):
    """Random orders to stand between the steps of a flow, in which no dimension is left out.

    A step transforms the dimensions behind its first `num_passive` places, given those before. An
    order brings a dimension that no step has transformed yet, or none of the last two, to the
    others, as far as there is room, and never the same ones as before to the first places.

    Args:
        event_size: int, the number of dimensions.
        num_passive: int, from 1 to `event_size`.
        count: int, the number of orders.

    Yields:
        Permutations, as lists of ints.
    """
    rng = np.random.default_rng(0)
    dimensions = np.arange(event_size)
    idle = np.where(dimensions < num_passive, 2, 0)
    for _ in range(count):
        passive = set(dimensions[:num_passive])
        moved = dimensions
        while set(moved[:num_passive]) == passive and num_passive < event_size:
            moved = rng.permutation(event_size)
            moved = moved[np.argsort(idle[moved] >= 2, kind="stable")]
        yield np.argsort(dimensions)[moved].tolist()
        dimensions = moved
        idle[dimensions[:num_passive]] += 1
        idle[dimensions[num_passive:]] = 0


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
