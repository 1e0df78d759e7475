"""Monotone functions of one dimension, given their parameters."""

import math

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfcvae import shapes

tfb = tfp.bijectors

MAX_LOG_SCALE = 5.0
"""The size that log-scales are bounded to smoothly unless told otherwise."""

MIN_BIN = 1e-3
"""The smallest share of the interval that a bin takes, and the smallest slope of a knot."""


def bounded_log_scale(raw, bound=MAX_LOG_SCALE):
    """Bounds a log-scale smoothly, so that its `exp` cannot overflow."""
    return bound * tf.tanh(raw / bound)


@keras.saving.register_keras_serializable("tfcvae")
class Affine:
    """A shift and a scale for each dimension; zero parameters are the identity.

    Args:
        max_log_scale: float > 0, the largest logarithm of a scale or of its reciprocal. Over the
            steps of a flow the bounds add up.

    Raises:
        ValueError: if `max_log_scale` is out of its range.
    """

    num_params = 2

    def __init__(self, max_log_scale=MAX_LOG_SCALE):
        self.max_log_scale = shapes.check_positive(max_log_scale, "max_log_scale")

    def __call__(self, parameters):
        """Returns the scalar bijector of parameters `[..., size, num_params]`."""
        shift, raw = tf.unstack(parameters, axis=-1)
        return tfb.Shift(shift)(tfb.Scale(log_scale=bounded_log_scale(raw, self.max_log_scale)))

    def get_config(self):
        return {"max_log_scale": self.max_log_scale}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable("tfcvae")
class RationalQuadratic:
    """A monotone rational-quadratic spline inside an interval, the identity outside of it.

    Zero parameters are the identity.

    Args:
        num_bins: int >= 2.
        tail_bound: float > 0; the spline acts on `[-tail_bound, tail_bound]`.

    Raises:
        ValueError: if an argument is out of its range.

    Reference:
        Durkan et al., Neural Spline Flows (2019), arXiv:1906.04032.
    """

    def __init__(self, num_bins=8, tail_bound=3.0):
        if not 2 <= shapes.check_positive_int(num_bins, "num_bins") < 1 / MIN_BIN:
            raise ValueError(
                f"Argument `num_bins` must be at least 2 and below {1 / MIN_BIN:.0f}. "
                f"Received: {num_bins=}"
            )
        self.num_bins = num_bins
        self.tail_bound = shapes.check_positive(tail_bound, "tail_bound")

    @property
    def num_params(self):
        """Widths and heights of the bins, and slopes at the knots between them."""
        return 3 * self.num_bins - 1

    def __call__(self, parameters):
        k = self.num_bins
        widths, heights, slopes = tf.split(parameters, [k, k, k - 1], axis=-1)
        identity_slope = math.log(math.expm1(1 - MIN_BIN))
        return _Spline(
            self._bins(widths),
            self._bins(heights),
            tf.nn.softplus(slopes + identity_slope) + MIN_BIN,
            range_min=-self.tail_bound,
        )

    def _bins(self, raw):
        shares = MIN_BIN + (1 - MIN_BIN * self.num_bins) * tf.nn.softmax(raw)
        return 2 * self.tail_bound * shares

    def get_config(self):
        return {"num_bins": self.num_bins, "tail_bound": self.tail_bound}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


class _Spline(tfb.RationalQuadraticSpline):
    """TFP's, whose outputs keep the static size of z that it loses in batches of any size."""

    def _forward(self, x):
        return _with_size_of(x, super()._forward(x))

    def _inverse(self, y):
        return _with_size_of(y, super()._inverse(y))


def _with_size_of(z, result):
    result.set_shape([*[None] * (result.shape.rank - 1), z.shape[-1]])
    return result
