"""A normal prior with a posterior over its own mean and precision."""

import math

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfcvae import shapes
from tfcvae.priors.base import Prior
from tfcvae.weights import WeightKL

tfd = tfp.distributions


@keras.saving.register_keras_serializable("tfcvae")
class BayesianNormal(Prior):
    """A diagonal normal prior whose mean and precision are random, and inferred.

    For each dimension the mean mu and the precision tau have the prior `tau ~ Gamma(a, b)`,
    `mu ~ N(m, 1 / (k tau))`, and a posterior q(mu, tau) of the same family that is trained with the
    model. In training the log-density of z is `E_q log N(z; mu, 1 / tau)`, in closed form, and
    KL(q || p) / num_examples joins the loss, logged as `kl_weights`: the ELBO then bounds the
    evidence of all examples. Everywhere else this is the predictive distribution, independent
    Student-t distributions.

    With a network, `z - f(x)` has this distribution, where f is a `Dense` of the network's output,
    without a bias, that starts at zero.

    Args:
        event_size: int, the number of latent dimensions.
        num_examples: int, the number of training examples.
        network: Keras layer or model from x to a context, or `None`.
        loc: float, m.
        pseudo_count: float > 0, k: how many examples the prior of mu is worth.
        concentration: float > 0, a.
        rate: float > 0, b.
        **kwargs: arguments of `keras.layers.Layer`.

    Raises:
        ValueError: if an argument is out of its range.

    Reference:
        Bishop, Pattern Recognition and Machine Learning (2006), sections 2.3.6 and 10.1.3.
    """

    def __init__(
        self,
        event_size,
        num_examples,
        network=None,
        loc=0.0,
        pseudo_count=1.0,
        concentration=1.0,
        rate=1.0,
        **kwargs,
    ):
        super().__init__(event_size, network, **kwargs)
        self.num_examples = shapes.check_positive_int(num_examples, "num_examples")
        self.loc = shapes.check_finite(loc, "loc")
        self.pseudo_count = shapes.check_positive(pseudo_count, "pseudo_count")
        self.concentration = shapes.check_positive(concentration, "concentration")
        self.rate = shapes.check_positive(rate, "rate")

    def build_parameters(self):
        names = ("loc", "log_pseudo_count", "log_concentration", "log_rate")
        self._loc, *self._logs = (
            self.add_weight(
                shape=self.event_shape,
                initializer=keras.initializers.Constant(self.loc if name == "loc" else 0.0),
                name=name,
                autocast=False,
            )
            for name in names
        )
        self._loc.regularizer = WeightKL(self.kl, self.num_examples)
        self._shift = None
        if self.network is not None:
            # No bias: it would stand in for mu, without a KL.
            self._shift = keras.layers.Dense(
                self.event_size,
                use_bias=False,
                kernel_initializer="zeros",
                dtype=self.variable_dtype,
                name="shift",
            )
            self._shift.build(self.context_shape)

    def _parameters(self):
        """Of q: m, k, a, b. The last three start at what n examples of variance 1 would give."""
        n = self.num_examples
        starts = self.pseudo_count + n, self.concentration + n / 2, self.rate + n / 2
        factors = (tf.exp(tf.convert_to_tensor(log)) for log in self._logs)
        return tf.convert_to_tensor(self._loc), *(s * f for s, f in zip(starts, factors))

    def kl(self):
        """KL(q(mu, tau) || p(mu, tau)) in nats, summed over the dimensions."""
        loc, count, concentration, rate = self._parameters()
        precisions = tfd.kl_divergence(
            tfd.Gamma(concentration, rate),
            tfd.Gamma(self.concentration * tf.ones_like(rate), self.rate),
        )
        ratio = self.pseudo_count / count
        distance = self.pseudo_count * concentration / rate * (loc - self.loc) ** 2
        return tf.reduce_sum(precisions + 0.5 * (ratio - tf.math.log(ratio) + distance - 1.0))

    def call(self, inputs=None, training=None):
        return self.distribution(self.context(inputs), training)

    def distribution(self, features, training=False):
        loc, count, concentration, rate = self._parameters()
        if self._shift is not None:
            loc += self._shift(features)
        scale = tf.sqrt(rate * (count + 1) / (concentration * count))
        predictive = tfd.Independent(tfd.StudentT(2 * concentration, loc, scale), 1)
        if not training:
            return predictive
        return ExpectedNormal(predictive, loc, count, concentration, rate)

    def get_config(self):
        return {
            **super().get_config(),
            "num_examples": self.num_examples,
            "loc": self.loc,
            "pseudo_count": self.pseudo_count,
            "concentration": self.concentration,
            "rate": self.rate,
        }


class ExpectedNormal(tfd.Distribution):
    """What the ELBO takes as the prior of z: `log p(z) = E_q log N(z; mu, 1 / tau)`, summed.

    Args:
        predictive: the predictive distribution, from which it draws.
        loc, count, concentration, rate: the parameters of q(mu, tau), `[..., event_size]`.
    """

    def __init__(self, predictive, loc, count, concentration, rate):
        self._predictive = predictive
        self._loc = loc
        self._precision = concentration / rate
        expected_log = tf.math.digamma(concentration) - tf.math.log(rate)
        self._constant = tf.reduce_sum(expected_log - 1 / count - math.log(2 * math.pi), -1)
        super().__init__(
            dtype=loc.dtype,
            reparameterization_type=tfd.FULLY_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
        )

    def _batch_shape(self):
        return self._predictive.batch_shape

    def _batch_shape_tensor(self):
        return self._predictive.batch_shape_tensor()

    def _event_shape(self):
        return self._predictive.event_shape

    def _event_shape_tensor(self):
        return self._predictive.event_shape_tensor()

    def _sample_n(self, n, seed=None):
        return self._predictive.sample(n, seed=seed)

    def _mean(self):
        return tf.identity(self._loc)

    def _log_prob(self, z):
        return self.expected_log_prob(z, 0.0)

    def expected_log_prob(self, mean, variance):
        """E log p(z) for z of a mean and variance `[..., event_size]`."""
        squares = self._precision * ((mean - self._loc) ** 2 + variance)
        return 0.5 * (self._constant - tf.reduce_sum(squares, -1))


@tfd.RegisterKL(tfd.MultivariateNormalDiag, ExpectedNormal)
@tfd.RegisterKL(tfd.MultivariateNormalTriL, ExpectedNormal)
def _kl(posterior, prior, name=None):
    expected = prior.expected_log_prob(posterior.mean(), posterior.variance())
    return -posterior.entropy() - expected
