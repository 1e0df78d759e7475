"""What the networks share: how several inputs are joined, and labels among them."""

import keras
import tensorflow as tf

from tfcvae import shapes


def as_list(nest):
    """A list of tensors, or of shapes, from one or a sequence of several."""
    single = hasattr(nest, "dtype") or shapes.is_shape(nest)
    return [nest] if single else list(nest)


def build_stack(layers, shape):
    """Builds layers one after the other and returns the shape of the last one's output."""
    for layer in layers:
        layer.build(shape)
        shape = layer.compute_output_shape(shape)
    return shape


class Network(keras.Model):
    """Common to the networks here: labels become one-hot, the constructor is the configuration."""

    def __init__(self, num_classes, **kwargs):
        super().__init__(**kwargs)
        if num_classes is not None:
            shapes.check_positive_int(num_classes, "num_classes")
        self.num_classes = num_classes

    def _input_shapes(self, input_shape):
        """The shape of each input, labels counted as one-hot vectors."""
        result = []
        for shape in as_list(input_shape):
            if len(shape) == 1 and self.num_classes is None:
                raise ValueError(
                    f"Inputs of shape [batch] are labels, for which `{self.name}` must be given "
                    f"`num_classes`. Received: input_shape={input_shape}, num_classes=None"
                )
            result.append((None, self.num_classes) if len(shape) == 1 else tuple(shape))
        self._labels = tuple(len(shape) == 1 for shape in as_list(input_shape))
        self._ranks = tuple(len(shape) for shape in result)
        return result

    def _inputs(self, inputs):
        """The inputs as a list of float tensors, labels as one-hot vectors."""
        result = []
        for x, are_labels in zip(as_list(inputs), self._labels):
            if are_labels:
                x = tf.one_hot(tf.cast(x, "int32"), self.num_classes)
            result.append(tf.cast(x, self.compute_dtype))
        return result

    def _vectors(self, inputs):
        """The inputs as a list of vectors `[*samples, batch, size]`."""
        return [shapes.flatten(x, rank - 1) for x, rank in zip(self._inputs(inputs), self._ranks)]

    def get_config(self):
        return {**super().get_config(), **self._config, "num_classes": self.num_classes}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable("tfcvae")
class JointDense(keras.layers.Layer):
    """A `Dense` layer over the concatenation of several vectors, which may differ in sample axes.

    Args:
        units: int.
        activation: activation function.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        List of tensors `[*samples, batch, size]`.

    Output shape:
        `[*samples, batch, units]`.
    """

    def __init__(self, units, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        self._sizes = tuple(shape[-1] for shape in input_shape)
        self.kernel = self.add_weight(shape=(sum(self._sizes), self.units), name="kernel")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")

    def call(self, inputs):
        kernels = tf.split(tf.convert_to_tensor(self.kernel), self._sizes)
        terms = [tf.tensordot(x, kernel, axes=1) for x, kernel in zip(inputs, kernels)]
        return self.activation(sum(terms[1:], start=terms[0]) + self.bias)

    def get_config(self):
        activation = keras.activations.serialize(self.activation)
        return {**super().get_config(), "units": self.units, "activation": activation}
