"""Dense layers with random weights."""

import abc

import keras
import tensorflow as tf

from tfcvae import shapes
from tfcvae.layers.bayesian.base import (
    BayesianLayer,
    flipout,
    local_reparameterization,
    reparameterization,
)


class _Dense(BayesianLayer, abc.ABC):
    def __init__(self, units, num_examples, activation=None, **kwargs):
        super().__init__(num_examples, activation, **kwargs)
        self.supports_masking = True
        self.units = shapes.check_positive_int(units, "units")

    def kernel_shape(self, input_shape):
        return input_shape[-1], self.units

    def product(self, inputs, kernel):
        return tf.tensordot(inputs, kernel, axes=1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("tfcvae")
class DenseReparameterization(_Dense):
    """A dense layer with random weights, one draw for the whole batch.

    Args:
        units: int.
        num_examples: int, the number of training examples.
        activation: activation function.
        **kwargs: further arguments of `BayesianLayer`.

    Input shape:
        `[batch, ..., size]`.

    Output shape:
        `[batch, ..., units]`.

    Reference:
        Kingma and Welling, Auto-Encoding Variational Bayes (2014), arXiv:1312.6114; Blundell et
        al., Weight Uncertainty in Neural Networks (2015), arXiv:1505.05424.
    """

    outputs = reparameterization


@keras.saving.register_keras_serializable("tfcvae")
class DenseLocalReparameterization(_Dense):
    """A dense layer with random weights, which draws its outputs instead of its kernel.

    Args and shapes as in `DenseReparameterization`. The posterior of the kernel must be a
    `tfd.Independent(tfd.Normal)`.

    Reference:
        Kingma, Salimans and Welling, Variational Dropout and the Local Reparameterization Trick
        (2015), arXiv:1506.02557.
    """

    needs_factors = True
    outputs = local_reparameterization


@keras.saving.register_keras_serializable("tfcvae")
class DenseFlipout(_Dense):
    """A dense layer with random weights, whose draws are nearly independent within a batch.

    Args and shapes as in `DenseReparameterization`. The posterior of the kernel must be a
    `tfd.Independent(tfd.Normal)`.

    Reference:
        Wen et al., Flipout (2018), arXiv:1803.04386.
    """

    needs_factors = True
    outputs = flipout
