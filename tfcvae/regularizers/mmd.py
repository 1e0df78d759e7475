"""The maximum mean discrepancy between aggregate posterior and prior."""

import keras
import tensorflow as tf

from tfcvae.regularizers.base import Regularizer
from tfcvae.sampling import draw

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
    the prior. The kernel is summed over the scales `2 * event_size * s`. With p(z|x) there is one
    draw of the prior for each row, and the cross terms of a row with itself are left out, since
    they share x. A batch of fewer than 2 rows contributes 0.

    Args:
        weight: float >= 0, or a `keras.optimizers.schedules.LearningRateSchedule` of the training
            step.
        kernel: `"imq"`, the inverse multiquadratic `C / (C + d^2)`, or `"rbf"`, the Gaussian
            `exp(-d^2 / C)`.
        scales: sequence of floats > 0, the s in `C = 2 * event_size * s`.
        name: str.

    Raises:
        ValueError: if an argument is out of its range.

    Reference:
        Gretton et al., A Kernel Two-Sample Test (JMLR 2012); Tolstikhin et al., Wasserstein
        Auto-Encoders (2018), arXiv:1711.01558.
    """

    def __init__(self, weight=1.0, kernel="imq", scales=SCALES, name="mmd"):
        super().__init__(weight, name)
        if kernel not in _KERNELS:
            raise ValueError(
                f"Argument `kernel` must be one of {sorted(_KERNELS)}. Received: kernel={kernel}"
            )
        self.kernel = kernel
        if not scales or any(not s > 0 for s in scales):
            raise ValueError(
                "Argument `scales` must be a non-empty sequence of floats > 0. "
                f"Received: scales={scales}"
            )
        self.scales = tuple(float(s) for s in scales)

    def penalty(self, posterior, prior, z, *, step, seed, sample_weight=None):
        num_samples, rows = tf.shape(z)[0], tf.shape(z)[1]
        target = draw(prior, num_samples, rows, seed)
        weights = tf.ones([rows], z.dtype)
        if sample_weight is not None:
            weights = tf.cast(sample_weight, z.dtype)
        pairs = weights[:, None] * weights[None, :]
        others = pairs * (1.0 - tf.eye(rows, dtype=z.dtype))
        crossed = others if prior.batch_shape.rank else pairs
        within = self._mean_kernel(z, z, others) + self._mean_kernel(target, target, others)
        mmd = within - 2.0 * self._mean_kernel(z, target, crossed)
        return tf.where(tf.reduce_sum(others) > 0, mmd, 0.0)

    def _mean_kernel(self, a, b, pairs):
        """The mean of the kernel over the pairs of rows, each with its weight."""
        norms = tf.reduce_sum(a**2, -1)[..., None] + tf.reduce_sum(b**2, -1)[:, None]
        d2 = tf.nn.relu(norms - 2.0 * tf.matmul(a, b, transpose_b=True))
        kernel, unit = _KERNELS[self.kernel], 2.0 * a.shape[-1]
        k = tf.add_n([kernel(d2, unit * s) for s in self.scales])
        total = tf.reduce_sum(pairs) * tf.cast(tf.shape(a)[0], a.dtype)
        return tf.math.divide_no_nan(tf.reduce_sum(pairs * k), total)

    def get_config(self):
        return {**super().get_config(), "kernel": self.kernel, "scales": self.scales}
