"""What holds the parameters of bijectors: free weights, or networks."""

import keras
import numpy as np
import tensorflow as tf

from tfcvae import shapes


@keras.saving.register_keras_serializable("tfcvae")
class Parameters(keras.layers.Layer):
    """A vector of parameters: a free weight, or a `Dense` of a context.

    Args:
        units: int, the number of parameters.
        initializer: initializer of the free weight, or of the `Dense` layer's bias, whose kernel
            starts at zero.
        **kwargs: arguments of `keras.layers.Layer`.
    """

    def __init__(self, units, initializer="zeros", **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.initializer = keras.initializers.get(initializer)

    def build(self, input_shape=None):
        self.kernel = None
        if input_shape is not None:
            self.kernel = self.add_weight(
                shape=(input_shape[-1], self.units), initializer="zeros", name="kernel"
            )
        self.bias = self.add_weight(shape=(self.units,), initializer=self.initializer, name="bias")

    def call(self, context=None):
        bias = tf.convert_to_tensor(self.bias)
        return bias if context is None else tf.matmul(context, self.kernel) + bias

    def get_config(self):
        initializer = keras.initializers.serialize(self.initializer)
        return {**super().get_config(), "units": self.units, "initializer": initializer}


@keras.saving.register_keras_serializable("tfcvae")
class Conditioner(keras.layers.Layer):
    """The network inside a flow step: a perceptron of part of z, given a context or none.

    The context enters every hidden layer through a `Dense` of its own and broadcasts against the
    leading axes of z. With `autoregressive=True` the weights are masked so that the outputs for
    dimension i depend on dimensions before i only.

    Args:
        output_size: int, number of dimensions it gives parameters for.
        num_params: int, number of parameters for each of them; they start at zero.
        hidden_units: sequence of ints.
        autoregressive: bool; the input then has `output_size` dimensions.
        activation: activation of the hidden layers.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        z `[..., input_size]` and context `[batch, context_size]` or `None`.

    Output shape:
        `[..., output_size, num_params]`.

    Reference:
        Germain et al., MADE (2015), arXiv:1502.03509.
    """

    def __init__(
        self,
        output_size,
        num_params,
        hidden_units=(128, 128),
        autoregressive=False,
        activation="relu",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.output_size = output_size
        self.num_params = num_params
        self.hidden_units = tuple(
            shapes.check_positive_int(units, "hidden_units") for units in hidden_units
        )
        self.autoregressive = autoregressive
        self.activation = keras.activations.get(activation)

    def build(self, z_shape, context_shape=None):
        sizes = [z_shape[-1], *self.hidden_units, self.output_size * self.num_params]
        self._masks = self._make_masks() if self.autoregressive else [None] * (len(sizes) - 1)
        self._kernels, self._biases, self._context_kernels = [], [], []
        for i, (fan_in, fan_out) in enumerate(zip(sizes, sizes[1:])):
            last = i == len(sizes) - 2
            self._kernels.append(
                self.add_weight(
                    shape=(fan_in, fan_out),
                    initializer="zeros" if last else "glorot_uniform",
                    name=f"kernel_{i}",
                )
            )
            self._biases.append(
                self.add_weight(shape=(fan_out,), initializer="zeros", name=f"bias_{i}")
            )
            if context_shape is not None and not last:
                self._context_kernels.append(
                    self.add_weight(
                        shape=(context_shape[-1], fan_out),
                        initializer="glorot_uniform",
                        name=f"context_kernel_{i}",
                    )
                )

    def call(self, z, context=None):
        h = z
        for i, (kernel, bias, mask) in enumerate(zip(self._kernels, self._biases, self._masks)):
            kernel = tf.convert_to_tensor(kernel)
            h = tf.tensordot(h, kernel if mask is None else kernel * mask, axes=1) + bias
            if i < len(self.hidden_units):
                if context is not None:
                    h += tf.matmul(context, self._context_kernels[i])
                h = self.activation(h)
        return tf.reshape(h, [*shapes.dims(h)[:-1], self.output_size, self.num_params])

    def _make_masks(self):
        """Degrees as in MADE: a unit sees inputs of at most its degree, outputs those below."""
        d = self.output_size
        hidden = [np.ceil(np.linspace(min(1, d - 1), d - 1, n)) for n in self.hidden_units]
        degrees = [np.arange(1, d + 1), *hidden]
        masks = [a[:, None] <= b[None, :] for a, b in zip(degrees, degrees[1:])]
        outputs = np.repeat(np.arange(1, d + 1), self.num_params)
        masks.append(degrees[-1][:, None] < outputs[None, :])
        return [mask.astype(self.variable_dtype) for mask in masks]

    def get_config(self):
        return {
            **super().get_config(),
            "output_size": self.output_size,
            "num_params": self.num_params,
            "hidden_units": self.hidden_units,
            "autoregressive": self.autoregressive,
            "activation": keras.activations.serialize(self.activation),
        }
