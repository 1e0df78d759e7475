"""Distribution layers over the elements of an event."""

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfcvae.layers.base import check_support, independent, positive
from tfcvae.layers.projection import ProjectedLayer

tfd = tfp.distributions


def _check_unit_interval(name, values):
    valid = values.min() >= 0 and values.max() <= 1
    check_support(name, "values in [0, 1] (scale 8-bit images by 1/255)", values, valid)


class _Bernoulli(tfd.Bernoulli):
    """A Bernoulli distribution by finite logits, its density at half the cost of TFP's."""

    def _log_prob(self, event):
        return tf.cast(event, self.logits.dtype) * self.logits - tf.math.softplus(self.logits)


@keras.saving.register_keras_serializable("tfcvae")
class IndependentBernoulli(ProjectedLayer):
    """Independent Bernoulli distributions; grey targets in [0, 1] give the cross-entropy.

    Args and shapes as in `IndependentNormal`, without `scale`; the raw parameters are logits.
    """

    def distribution(self, features):
        (logits,) = self._elementwise(features)
        return independent(_Bernoulli(logits, dtype=logits.dtype), self.event_shape)

    def check_support(self, values, name):
        _check_unit_interval(name, values)


@keras.saving.register_keras_serializable("tfcvae")
class IndependentContinuousBernoulli(ProjectedLayer):
    """Independent continuous Bernoulli distributions: a density on [0, 1] for grey images.

    Args and shapes as in `IndependentNormal`, without `scale`; the raw parameters are logits.

    Reference:
        Loaiza-Ganem and Cunningham, The continuous Bernoulli (2019), arXiv:1907.06845.
    """

    def distribution(self, features):
        (logits,) = self._elementwise(features)
        return independent(tfd.ContinuousBernoulli(logits, dtype=logits.dtype), self.event_shape)

    def check_support(self, values, name):
        _check_unit_interval(name, values)


@keras.saving.register_keras_serializable("tfcvae")
class IndependentPoisson(ProjectedLayer):
    """Independent Poisson distributions, for counts.

    Args and shapes as in `IndependentNormal`, without `scale`; the raw parameters are log-rates.
    """

    takes_integers = True

    def distribution(self, features):
        (log_rate,) = self._elementwise(features)
        return independent(tfd.Poisson(log_rate=log_rate), self.event_shape)

    def as_events(self, means):
        return tf.round(means)

    def check_support(self, values, name):
        valid = values.min() >= 0 and np.all(values == np.round(values))
        check_support(name, "counts, integers >= 0", values, valid)


@keras.saving.register_keras_serializable("tfcvae")
class IndependentLogistic(ProjectedLayer):
    """Independent logistic distributions over the elements of an event.

    Args and shapes as in `IndependentNormal`, without `scale`.
    """

    num_params = 2

    def distribution(self, features):
        loc, raw_scale = self._elementwise(features)
        return independent(tfd.Logistic(loc, positive(raw_scale)), self.event_shape)


class _Quantized(tfd.QuantizedDistribution):
    """A distribution quantized to the integers 0 to 255, with its exact mean."""

    def _mean(self):
        def add(k, total):
            return k + 1, total + self.distribution.survival_function(k)

        zeros = tf.zeros(self.batch_shape_tensor(), self.dtype)
        return tf.while_loop(
            lambda k, _: k < 255, add, (tf.zeros((), self.dtype), zeros), maximum_iterations=255
        )[1]


@keras.saving.register_keras_serializable("tfcvae")
class IndependentQuantizedLogistic(ProjectedLayer):
    """Independent logistic distributions on the integers 0 to 255, for 8-bit images.

    The probability of a value is the logistic mass of the unit interval around it; the outer
    values take the tails. Raw parameters are in units of half the range, so a raw mean of -1 to 1
    covers 0 to 255. Args and shapes as in `IndependentNormal`, without `scale`.

    The encoder of a `tfcvae.VAE` sees the same integers: begin its network with
    `keras.layers.Rescaling(1 / 127.5, -1)`.

    Reference:
        Salimans et al., PixelCNN++ (2017), arXiv:1701.05517, with one component.
    """

    num_params = 2
    takes_integers = True

    def distribution(self, features):
        loc, raw_scale = self._elementwise(features)
        logistic = tfd.Logistic(127.5 * (loc + 1) - 0.5, 127.5 * positive(raw_scale))
        return independent(_Quantized(logistic, low=0.0, high=255.0), self.event_shape)

    def as_events(self, means):
        return tf.round(means)

    def check_support(self, values, name):
        valid = values.min() >= 0 and values.max() <= 255 and np.all(values == np.round(values))
        check_support(name, "integers from 0 to 255", values, valid)


@keras.saving.register_keras_serializable("tfcvae")
class OneHotCategorical(ProjectedLayer):
    """Categorical distributions over one-hot vectors, one for each position of an event.

    `OneHotCategorical((height, width, classes))` is the likelihood of segmentation masks,
    `OneHotCategorical(classes)` that of a label. Args and shapes as in `IndependentNormal`,
    without `scale`; the raw parameters are logits over the last axis.
    """

    def distribution(self, features):
        (logits,) = self._elementwise(features)
        one_hot = tfd.OneHotCategorical(logits, dtype=logits.dtype)
        return independent(one_hot, self.event_shape[:-1])

    def as_events(self, means):
        return tf.one_hot(tf.argmax(means, -1), self.event_shape[-1], dtype=means.dtype)

    def check_support(self, values, name):
        sums = values.sum(-1)
        valid = values.min() >= 0 and np.allclose(sums, 1, atol=1e-4)
        check_support(name, "one-hot vectors along the last axis", values, valid)
