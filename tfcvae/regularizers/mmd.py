"""The maximum mean discrepancy between aggregate posterior and prior."""

import math
import numbers

import keras
import tensorflow as tf

from tfcvae import shapes
from tfcvae.registration import check_registered
from tfcvae.regularizers.base import Regularizer
from tfcvae.sampling import draw, has_rows

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def inverse_multiquadratic(squared_distance, scale):
    """The kernel `scale / (scale + |x - y|^2)`."""
    return scale / (scale + squared_distance)


def gaussian(squared_distance, scale):
    """The radial basis function `exp(-|x - y|^2 / scale)`."""
    return tf.exp(-squared_distance / scale)


_KERNELS = {"imq": inverse_multiquadratic, "rbf": gaussian}


@keras.saving.register_keras_serializable("tfcvae")
class MMD(Regularizer):
    """Squared maximum mean discrepancy between z ~ q(z|x) over the batch and z ~ p.

    The unbiased U-statistic, which may be negative: its mean is 0 when the aggregate posterior is
    the prior. The kernel is summed over several scales. With p(z|x) there is one draw of the prior
    for each row, and the cross terms of a row with itself are left out, since they share x. A batch
    of fewer than 2 rows contributes 0.

    Args:
        weight: float >= 0, or a `keras.optimizers.schedules.LearningRateSchedule` of the training
            step.
        kernel: `"imq"`, the inverse multiquadratic `C / (C + d^2)`, or `"rbf"`, the Gaussian
            `exp(-d^2 / C)`.
        scales: sequence of floats > 0, the s in `C = bandwidth * s`.
        bandwidth: float > 0, a squared distance; `None` for `2 * event_size`, the mean squared
            distance of two draws of N(0, I); or `"median"` for the median squared distance between
            the z of the batch and the draws they are compared with.
        target: function without arguments that returns a distribution over z, registered with
            `keras.saving.register_keras_serializable`, instead of the prior; `None` for the prior.
        name: str.

    Raises:
        ValueError: if an argument is out of its range; in training, if the target is no
            distribution over z.

    Reference:
        Gretton et al., A Kernel Two-Sample Test (JMLR 2012); Tolstikhin et al., Wasserstein
        Auto-Encoders (2018), arXiv:1711.01558.
    """

    def __init__(
        self,
        weight=1.0,
        kernel="imq",
        scales=SCALES,
        bandwidth=None,
        target=None,
        name="mmd",
    ):
        super().__init__(weight, name)
        if kernel not in _KERNELS:
            raise ValueError(
                f"Argument `kernel` must be one of {sorted(_KERNELS)}. Received: kernel={kernel}"
            )
        self.kernel = kernel
        if not isinstance(scales, (list, tuple)) or not scales:
            raise ValueError(
                "Argument `scales` must be a non-empty sequence of floats > 0. "
                f"Received: scales={scales}"
            )
        self.scales = tuple(shapes.check_positive(s, "scales") for s in scales)
        number = isinstance(bandwidth, numbers.Real) and not isinstance(bandwidth, bool)
        if bandwidth not in (None, "median") and not (number and 0 < bandwidth < math.inf):
            raise ValueError(
                "Argument `bandwidth` must be None, 'median' or a finite float > 0. "
                f"Received: bandwidth={bandwidth!r}"
            )
        self.bandwidth = bandwidth
        self.target = None if target is None else check_registered(target, "target")

    def penalty(self, posterior, prior, z, *, step, seed, sample_weight=None):
        num_samples, rows = tf.shape(z)[0], tf.shape(z)[1]
        compared = prior if self.target is None else self.target()
        if self.target and not compared.event_shape.is_compatible_with(z.shape[-1:]):
            raise ValueError(
                f"Argument `target` must return a distribution over vectors of {z.shape[-1]} "
                f"elements. Received: event shape {compared.event_shape}"
            )
        target = draw(compared, num_samples, rows, seed)
        weights = tf.ones([rows], z.dtype)
        if sample_weight is not None:
            weights = tf.cast(sample_weight, z.dtype)
        pairs = weights[:, None] * weights[None, :]
        others = pairs * (1.0 - tf.eye(rows, dtype=z.dtype))
        crossed = others if has_rows(compared) else pairs
        across = squared_distances(z, target)
        unit = self._unit(across, pairs > 0, z.shape[-1])

        def mean_kernel(d2, pairs):
            k = tf.add_n([_KERNELS[self.kernel](d2, unit * s) for s in self.scales])
            total = tf.reduce_sum(pairs) * tf.cast(num_samples, z.dtype)
            return tf.math.divide_no_nan(tf.reduce_sum(pairs * k), total)

        within = mean_kernel(squared_distances(z, z), others)
        within += mean_kernel(squared_distances(target, target), others)
        mmd = within - 2.0 * mean_kernel(across, crossed)
        return tf.where(tf.reduce_sum(others) > 0, mmd, 0.0)

    def _unit(self, d2, counted, event_size):
        """The squared distance that the scales multiply."""
        if self.bandwidth == "median":
            counted = tf.broadcast_to(counted, tf.shape(d2))
            number = tf.reduce_sum(tf.cast(counted, "int32"))
            d2 = tf.where(counted, tf.stop_gradient(d2), tf.reduce_max(d2))
            ordered = tf.pad(tf.sort(tf.reshape(d2, [-1])), [[0, 1]])
            middle = tf.gather(ordered, [tf.maximum(number - 1, 0) // 2, number // 2])
            return tf.maximum(tf.reduce_mean(middle), 1e-6)
        return 2.0 * event_size if self.bandwidth is None else self.bandwidth

    def get_config(self):
        return {
            **super().get_config(),
            "kernel": self.kernel,
            "scales": self.scales,
            "bandwidth": self.bandwidth,
            "target": keras.saving.serialize_keras_object(self.target),
        }


def squared_distances(a, b):
    """The squared distances `[..., rows_a, rows_b]` between `[..., rows, event_size]`."""
    norms = tf.reduce_sum(a**2, -1)[..., None] + tf.reduce_sum(b**2, -1)[..., None, :]
    return tf.nn.relu(norms - 2.0 * tf.matmul(a, b, transpose_b=True))
