"""Random weights: their part of the loss, and the noise that draws them."""

import keras
import tensorflow as tf

from tfcvae import seeds
from tfcvae.regularizers.kl import exact_kl_divergence


class WeightKL(keras.regularizers.Regularizer):
    """KL(q(w) || p(w)) / num_examples, as the regularizer of one variable of q.

    Keras adds the regularizer of a trainable variable to the loss once in a step, however often the
    layer runs.

    Args:
        kl: function without arguments that returns the KL in nats, a scalar.
        num_examples: number of training examples.
    """

    def __init__(self, kl, num_examples):
        self.kl = kl
        self.num_examples = num_examples

    def __call__(self, variable):
        return self.kl() / self.num_examples


def weight_kl(variables):
    """The sum of the `WeightKL` of some variables, or `None` if there is none."""
    found = [v.regularizer(v) for v in variables if isinstance(v.regularizer, WeightKL)]
    return tf.add_n(found) if found else None


def divergence(layer, posterior, prior):
    """KL(q(w) || p(w)) in nats: exact where TFP has a formula, otherwise of one draw of a layer."""
    exact = exact_kl_divergence(posterior, prior)
    if exact is not None:
        return exact
    w = posterior.sample(seed=seeds.weight_seed(layer._generator, layer.seed))
    return posterior.log_prob(w) - prior.log_prob(w)
