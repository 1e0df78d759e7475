"""A dense layer with a joint posterior of kernel and bias."""

import keras
import tensorflow as tf

from tfcvae import seeds, shapes
from tfcvae.layers.base import keep_frozen
from tfcvae.layers.center import center
from tfcvae.registration import check_savable
from tfcvae.weights import WeightKL, divergence


@keras.saving.register_keras_serializable("tfcvae")
class DenseVariational(keras.layers.Layer):
    """A dense layer whose weights, kernel and bias together, follow any posterior and prior.

    ```python
    @keras.saving.register_keras_serializable("my_package")
    def posterior(kernel_size, bias_size, dtype):
        return priors.LearnedNormal(kernel_size + bias_size, covariance="full")

    @keras.saving.register_keras_serializable("my_package")
    def prior(kernel_size, bias_size, dtype):
        return priors.StandardNormal(kernel_size + bias_size)

    layer = layers.DenseVariational(1, posterior, prior, num_examples=1000)
    ```

    In training every step draws new weights; otherwise the layer uses the posterior's center.
    KL(q || p) / num_examples joins the model's loss once in a step, exact where TFP has a formula
    for the pair.

    Args:
        units: int.
        make_posterior_fn: function `(kernel_size, bias_size, dtype)`, registered with Keras, that
            returns a layer whose call without inputs is q, of event shape `[kernel_size +
            bias_size]`: any of `tfcvae.priors` without a network.
        make_prior_fn: the same for p. Its weights are trained too.
        num_examples: int, the number of training examples.
        activation: activation function.
        use_bias: bool.
        seed: int, the base of its noise; by default from `keras.utils.set_random_seed`.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        `[batch, ..., size]`.

    Output shape:
        `[batch, ..., units]`.

    Raises:
        ValueError: if an argument is out of its range, or a function is not registered.
    """

    def __init__(
        self,
        units,
        make_posterior_fn,
        make_prior_fn,
        num_examples,
        activation=None,
        use_bias=True,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.units = shapes.check_positive_int(units, "units")
        self.make_posterior_fn = check_savable(make_posterior_fn, "make_posterior_fn")
        self.make_prior_fn = check_savable(make_prior_fn, "make_prior_fn")
        self.num_examples = shapes.check_positive_int(num_examples, "num_examples")
        self.activation = keras.activations.get(activation)
        self.use_bias = bool(use_bias)
        self.seed = seeds.base_seed(seed)
        self._generator = keras.random.SeedGenerator(self.seed)

    def build(self, input_shape):
        self._sizes = [input_shape[-1] * self.units, self.units * self.use_bias]
        arguments = (*self._sizes, self.variable_dtype)
        self.posterior = self.make_posterior_fn(*arguments)
        self.prior = self.make_prior_fn(*arguments)
        for layer in (self.posterior, self.prior):
            layer.build(None)
        if self.posterior.trainable_weights:
            first = self.posterior.trainable_weights[0]
            first.regularizer = WeightKL(self.kl, self.num_examples)
        keep_frozen(self)

    def kl(self):
        """KL(q || p) in nats."""
        return divergence(self, self.posterior(None), self.prior(None))

    def call(self, inputs, training=None):
        posterior = self.posterior(None)
        seed = seeds.weight_seed(self._generator, self.seed, training)
        weights = center(posterior) if seed is None else posterior.sample(seed=seed)
        kernel, bias = tf.split(tf.cast(weights, inputs.dtype), self._sizes)
        kernel = tf.reshape(kernel, [inputs.shape[-1], self.units])
        result = tf.tensordot(inputs, kernel, axes=1)
        return self.activation(result + bias if self.use_bias else result)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "make_posterior_fn": keras.saving.serialize_keras_object(self.make_posterior_fn),
            "make_prior_fn": keras.saving.serialize_keras_object(self.make_prior_fn),
            "num_examples": self.num_examples,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config):
        names = ("make_posterior_fn", "make_prior_fn")
        functions = {n: keras.saving.deserialize_keras_object(config[n]) for n in names}
        return cls(**{**config, **functions})
