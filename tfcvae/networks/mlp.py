"""The multilayer perceptron."""

import keras

from tfcvae import shapes
from tfcvae.layers.base import keep_frozen
from tfcvae.networks.base import JointDense, Network, as_list


def mlp(units, activation="relu", num_classes=None):
    """A multilayer perceptron that flattens its inputs and joins them.

    Its first layer sums a linear map of each input, so that with samples of z for one x the part of
    x is computed once.

    Args:
        units: sequence of ints, the width of each layer.
        activation: activation of every layer.
        num_classes: int, the number of classes of integer labels `[batch]` among the inputs, which
            become one-hot; `None` if there are none.

    Returns:
        A `keras.Model` from a tensor or a tuple of tensors to `[*samples, batch, units[-1]]`.

    Raises:
        ValueError: if `units` is empty or `num_classes` is not a positive int.
    """
    return MLP(units, activation, num_classes)


@keras.saving.register_keras_serializable("tfcvae")
class MLP(Network):
    """See `mlp`."""

    handles_samples = True

    def __init__(self, units, activation="relu", num_classes=None, **kwargs):
        super().__init__(num_classes, **kwargs)
        units = shapes.as_event_shape(units, "units")
        self._config = {"units": units, "activation": activation}
        self.dense = [
            JointDense(units[0], activation, dtype=self.dtype_policy),
            *(keras.layers.Dense(n, activation, dtype=self.dtype_policy) for n in units[1:]),
        ]

    def build(self, input_shape):
        sizes = self._input_shapes(input_shape)
        self.dense[0].build([(None, shapes.size(shape[1:])) for shape in sizes])
        for previous, layer in zip(self.dense, self.dense[1:]):
            layer.build((None, previous.units))
        keep_frozen(self)

    def call(self, inputs):
        h = self.dense[0](self._vectors(inputs))
        for layer in self.dense[1:]:
            h = layer(h)
        return h

    def compute_output_shape(self, input_shape):
        return (as_list(input_shape)[0][0], self.dense[-1].units)
