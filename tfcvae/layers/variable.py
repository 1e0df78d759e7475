"""A layer that holds a variable."""

import keras
import tensorflow as tf

from tfcvae import shapes


@keras.saving.register_keras_serializable("tfcvae")
class VariableLayer(keras.layers.Layer):
    """A learned tensor, repeated for each row of the inputs, which are not read otherwise.

    As the network of a distribution layer it makes a distribution that does not depend on its
    input.

    Args:
        shape: int or sequence of ints.
        initializer: initializer of the tensor.
        activation: function applied to it.
        regularizer: regularizer of the tensor, whose value joins the loss.
        constraint: constraint of the tensor.
        **kwargs: arguments of `keras.layers.Layer`.

    Output shape:
        `[batch, *shape]`.
    """

    def __init__(
        self,
        shape,
        initializer="zeros",
        activation=None,
        regularizer=None,
        constraint=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.shape = shapes.as_event_shape(shape, "shape")
        self.initializer = keras.initializers.get(initializer)
        self.activation = keras.activations.get(activation)
        self.regularizer = keras.regularizers.get(regularizer)
        self.constraint = keras.constraints.get(constraint)

    def build(self, input_shape):
        self.value = self.add_weight(
            shape=self.shape,
            initializer=self.initializer,
            regularizer=self.regularizer,
            constraint=self.constraint,
            name="value",
        )

    def call(self, inputs):
        rows = tf.shape(keras.tree.flatten(inputs)[0])[0]
        value = self.activation(tf.convert_to_tensor(self.value))
        return tf.broadcast_to(value, [rows, *self.shape])

    def compute_output_shape(self, input_shape):
        first = input_shape if shapes.is_shape(input_shape) else input_shape[0]
        return (first[0], *self.shape)

    def get_config(self):
        return {
            **super().get_config(),
            "shape": self.shape,
            "initializer": keras.initializers.serialize(self.initializer),
            "activation": keras.activations.serialize(self.activation),
            "regularizer": keras.regularizers.serialize(self.regularizer),
            "constraint": keras.constraints.serialize(self.constraint),
        }
