"""Convolutions with random weights."""

import abc

import keras

from tfcvae import shapes
from tfcvae.layers.bayesian.base import (
    BayesianLayer,
    flipout,
    reparameterization,
)


class _Convolution(BayesianLayer, abc.ABC):
    """A convolution of `rank` spatial dimensions with random weights.

    Args:
        filters: int, the number of output channels.
        kernel_size: int or sequence of ints.
        num_examples: int, the number of training examples.
        strides: int or sequence of ints.
        padding: `"valid"` or `"same"`.
        dilation_rate: int or sequence of ints.
        activation: activation function.
        **kwargs: further arguments of `BayesianLayer`.
    """

    rank = 2

    def __init__(
        self,
        filters,
        kernel_size,
        *,
        num_examples,
        strides=1,
        padding="valid",
        dilation_rate=1,
        activation=None,
        **kwargs,
    ):
        super().__init__(num_examples, activation, **kwargs)
        self.filters = shapes.check_positive_int(filters, "filters")
        self.kernel_size = self._each(kernel_size, "kernel_size")
        self.strides = self._each(strides, "strides")
        self.dilation_rate = self._each(dilation_rate, "dilation_rate")
        if padding not in ("valid", "same"):
            raise ValueError(
                f"Argument `padding` must be 'valid' or 'same'. Received: padding={padding!r}"
            )
        self.padding = padding

    def _each(self, value, name):
        """A tuple with one positive int for each spatial dimension."""
        values = shapes.as_event_shape(value, name)
        values = values * self.rank if len(values) == 1 else values
        if len(values) != self.rank:
            raise ValueError(
                f"Argument `{name}` must be an int or {self.rank} of them. Received: {name}={value}"
            )
        return values

    def kernel_shape(self, input_shape):
        return *self.kernel_size, input_shape[-1], self.filters

    def product(self, inputs, kernel):
        return keras.ops.conv(
            inputs,
            kernel,
            self.strides,
            self.padding,
            data_format="channels_last",
            dilation_rate=self.dilation_rate,
        )

    def compute_output_shape(self, input_shape):
        inputs = keras.KerasTensor(input_shape)
        return self.product(inputs, keras.KerasTensor(self.kernel_shape(input_shape))).shape

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
        }


@keras.saving.register_keras_serializable("tfcvae")
class Convolution2DReparameterization(_Convolution):
    """A 2-D convolution with random weights, one draw for the whole batch.

    Args:
        filters: int, the number of output channels.
        kernel_size: int or pair of ints.
        num_examples: int, the number of training examples.
        strides: int or pair of ints.
        padding: `"valid"` or `"same"`.
        dilation_rate: int or pair of ints.
        activation: activation function.
        **kwargs: further arguments of `BayesianLayer`.

    Input shape:
        `[batch, height, width, channels]`.

    Output shape:
        `[batch, new_height, new_width, filters]`.

    Reference:
        Blundell et al., Weight Uncertainty in Neural Networks (2015), arXiv:1505.05424.
    """

    outputs = reparameterization


@keras.saving.register_keras_serializable("tfcvae")
class Convolution1DReparameterization(Convolution2DReparameterization):
    """A 1-D convolution of `[batch, steps, channels]`; see `Convolution2DReparameterization`."""

    rank = 1


@keras.saving.register_keras_serializable("tfcvae")
class Convolution3DReparameterization(Convolution2DReparameterization):
    """A 3-D convolution of `[batch, depth, height, width, channels]`; see
    `Convolution2DReparameterization`."""

    rank = 3


@keras.saving.register_keras_serializable("tfcvae")
class Convolution2DFlipout(_Convolution):
    """A 2-D convolution with random weights, whose draws are nearly independent within a batch.

    Args and shapes as in `Convolution2DReparameterization`. The posterior of the kernel must be a
    `tfd.Independent(tfd.Normal)`.

    Reference:
        Wen et al., Flipout (2018), arXiv:1803.04386.
    """

    needs_factors = True
    outputs = flipout


@keras.saving.register_keras_serializable("tfcvae")
class Convolution1DFlipout(Convolution2DFlipout):
    """A 1-D convolution of `[batch, steps, channels]`; see `Convolution2DFlipout`."""

    rank = 1


@keras.saving.register_keras_serializable("tfcvae")
class Convolution3DFlipout(Convolution2DFlipout):
    """A 3-D convolution of `[batch, depth, height, width, channels]`; see
    `Convolution2DFlipout`."""

    rank = 3
