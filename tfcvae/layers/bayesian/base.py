"""What the layers with random weights share."""

import abc
import functools
from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfcvae import replicas, seeds, shapes
from tfcvae.layers.bayesian.posteriors import (
    default_mean_field_normal_fn,
    default_multivariate_normal_fn,
)
from tfcvae.registration import check_savable
from tfcvae.weights import WeightKL, divergence

tfd = tfp.distributions


_FUNCTIONS = ("kernel_posterior_fn", "kernel_prior_fn", "bias_posterior_fn", "bias_prior_fn")


class Weights(NamedTuple):
    """The functions that make posterior and prior of some weights; no prior, no KL."""

    posterior: Callable
    prior: Callable | None


class BayesianLayer(keras.layers.Layer, abc.ABC):
    """A layer whose kernel, and bias if wanted, are drawn from a posterior that is trained.

    In training every step draws new weights. Otherwise the layer uses the posterior's mean;
    `evaluation.predict_over_weights` averages over draws. KL(q || p) / num_examples joins the
    model's loss once in a step.

    Args:
        num_examples: int, the number of training examples: the loss of a batch is a mean over
            examples, of which each bears its share of the KL.
        activation: activation function.
        kernel_posterior_fn: function `(dtype, shape, name, trainable, add_variable_fn)`, registered
            with Keras, that returns a function without arguments that makes q(kernel); independent
            normal weights if `None`.
        kernel_prior_fn: the same for p(kernel); independent standard normal weights if `None`.
        bias_posterior_fn: the same for q(bias); a bias without randomness if `"deterministic"`, no
            bias if `None`.
        bias_prior_fn: the same for p(bias); no KL for the bias if `None`.
        seed: int, the base of its noise; by default from `keras.utils.set_random_seed`.
        **kwargs: arguments of `keras.layers.Layer`.

    Raises:
        ValueError: if an argument is out of its range, a function is not registered, or it returns
            a distribution instead of a function that makes it.
    """

    def __init__(
        self,
        num_examples,
        activation=None,
        kernel_posterior_fn=None,
        kernel_prior_fn=None,
        bias_posterior_fn="deterministic",
        bias_prior_fn=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_examples = shapes.check_positive_int(num_examples, "num_examples")
        self.activation = keras.activations.get(activation)
        if bias_posterior_fn == "deterministic":
            bias_posterior_fn = default_mean_field_normal_fn(is_singular=True, loc_stddev=0.0)
        self.kernel_posterior_fn = kernel_posterior_fn or default_mean_field_normal_fn()
        self.kernel_prior_fn = kernel_prior_fn or default_multivariate_normal_fn
        self.bias_posterior_fn = bias_posterior_fn
        self.bias_prior_fn = bias_prior_fn
        for name in _FUNCTIONS:
            function = getattr(self, name)
            if function is not None:
                check_savable(function, name)
        self.seed = seeds.base_seed(seed)
        self._generator = keras.random.SeedGenerator(self.seed)

    needs_factors = False
    """Whether q(kernel) must be independent normal distributions."""

    @abc.abstractmethod
    def kernel_shape(self, input_shape):
        """The shape of the kernel for inputs of a shape; its last axis is that of the bias."""

    @abc.abstractmethod
    def product(self, inputs, kernel):
        """The linear map of inputs by a kernel."""

    @abc.abstractmethod
    def outputs(self, inputs, posterior, seed):
        """A draw of the linear map of inputs, given q(kernel)."""

    def build(self, input_shape):
        shape = tuple(self.kernel_shape(input_shape))
        self._kernel = self._make_weights("kernel", shape)
        self._bias = None
        if self.bias_posterior_fn is not None:
            self._bias = self._make_weights("bias", shape[-1:])
        if self.needs_factors:
            check_factorised(self._kernel.posterior())
        # A layer that is frozen may be trained later, and needs its KL then.
        trainable, self.trainable = self.trainable, True
        if self.trainable_weights:
            self.trainable_weights[0].regularizer = WeightKL(self.kl, self.num_examples)
        self.trainable = trainable

    def kl(self):
        """KL(q || p) in nats, of kernel and bias."""
        random = [w for w in (self._kernel, self._bias) if w is not None and w.prior is not None]
        kls = [divergence(self, weights.posterior(), weights.prior()) for weights in random]
        return tf.add_n(kls) if kls else tf.zeros((), self.variable_dtype)

    def call(self, inputs, training=None):
        seed = seeds.weight_seed(self._generator, self.seed, training)
        posterior = self._kernel.posterior()
        if seed is None:
            result = self.product(inputs, tf.cast(posterior.mean(), inputs.dtype))
        else:
            kernel_seed, bias_seed = seeds.split(seed)
            result = self.outputs(inputs, posterior, kernel_seed)
        if self._bias is not None:
            bias = self._bias.posterior()
            bias = bias.mean() if seed is None else bias.sample(seed=bias_seed)
            result += tf.cast(bias, result.dtype)
        return self.activation(result)

    def _make_weights(self, name, shape):
        result = []
        add_weight = functools.partial(self.add_weight, autocast=False)
        for part in ("posterior", "prior"):
            function = getattr(self, f"{name}_{part}_fn")
            if function is None:
                result.append(None)
                continue
            made = function(self.variable_dtype, shape, f"{name}_{part}", True, add_weight)
            if isinstance(made, tfd.Distribution) or not callable(made):
                raise ValueError(
                    f"Argument `{name}_{part}_fn` must return a function that makes the "
                    "distribution anew in every call, since a stored one would not be trained. "
                    f"Received: {made}"
                )
            result.append(made)
        return Weights(*result)

    def get_config(self):
        return {
            **super().get_config(),
            "num_examples": self.num_examples,
            "activation": keras.activations.serialize(self.activation),
            **{n: keras.saving.serialize_keras_object(getattr(self, n)) for n in _FUNCTIONS},
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config):
        functions = {
            name: keras.saving.deserialize_keras_object(value)
            for name, value in config.items()
            if name.endswith("_fn")
        }
        return cls(**{**config, **functions})


def check_factorised(posterior):
    """Raises a `ValueError` unless q(kernel) is independent normal distributions."""
    factors = getattr(posterior, "distribution", None)
    if not isinstance(posterior, tfd.Independent) or not isinstance(factors, tfd.Normal):
        raise ValueError(
            "The posterior of the kernel must be a `tfd.Independent(tfd.Normal)` for this layer. "
            f"Received: {posterior}"
        )


def reparameterization(layer, inputs, posterior, seed):
    """One draw of the kernel for the whole batch."""
    return layer.product(inputs, tf.cast(posterior.sample(seed=seed), inputs.dtype))


def flipout(layer, inputs, posterior, seed):
    """One draw of the kernel's deviation, with random signs of each example's own."""
    kernel_seed, in_seed, out_seed = seeds.split(seed, 3)
    mean = posterior.mean()
    deviation = tf.cast(posterior.sample(seed=kernel_seed) - mean, inputs.dtype)
    result = layer.product(inputs, tf.cast(mean, inputs.dtype))
    ones = [1] * (inputs.shape.rank - 2)
    rows = tf.shape(inputs)[0]

    def signs(channels, seed):
        shape = [rows, *ones, channels]
        bits = tf.random.stateless_uniform(shape, replicas.own_seed(seed), 0, 2, tf.int32)
        return tf.cast(2 * bits - 1, inputs.dtype)

    flipped = layer.product(inputs * signs(inputs.shape[-1], in_seed), deviation)
    return result + flipped * signs(result.shape[-1], out_seed)


def local_reparameterization(layer, inputs, posterior, seed):
    """A draw of each output from its own normal distribution."""
    mean = layer.product(inputs, tf.cast(posterior.mean(), inputs.dtype))
    variance = posterior.variance()
    variance = layer.product(tf.cast(inputs, variance.dtype) ** 2, variance)
    seed = replicas.own_seed(seed)
    noise = tf.random.stateless_normal(tf.shape(mean), seed, dtype=variance.dtype)
    return mean + tf.cast(tf.sqrt(tf.maximum(variance, 1e-12)) * noise, mean.dtype)
