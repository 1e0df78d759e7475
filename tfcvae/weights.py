"""Random weights: their part of the loss, and the noise that draws them."""

import keras
import tensorflow as tf


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
