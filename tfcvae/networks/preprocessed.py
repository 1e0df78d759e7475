"""A layer in front of a network of several inputs."""

import keras

from tfcvae import shapes
from tfcvae.layers.base import keep_frozen
from tfcvae.networks.base import as_list


def preprocessed(preprocessing, network):
    """A network whose first input, the x of a conditional VAE, passes through a layer before.

    Args:
        preprocessing: Keras layer from x to what the network sees as x, such as
            `layers.BlockOmission()` or `layers.ImagePyramid()`.
        network: Keras layer or model of one or several inputs.

    Returns:
        A `keras.Model` with the inputs and outputs of `network`.
    """
    return Preprocessed(preprocessing, network)


@keras.saving.register_keras_serializable("tfcvae")
class Preprocessed(keras.Model):
    """See `preprocessed`."""

    def __init__(self, preprocessing, network, **kwargs):
        super().__init__(**kwargs)
        self.preprocessing = preprocessing
        self.network = network

    @property
    def handles_samples(self):
        """Whether the network takes inputs with sample axes as they are."""
        return getattr(self.network, "handles_samples", False)

    @property
    def num_classes(self):
        """The number of classes of integer labels among the network's inputs, if there are any."""
        return getattr(self.network, "num_classes", None)

    @property
    def map_shapes(self):
        """The shapes of the maps of the network's trunk; it has none if the network has none."""
        return self.network.map_shapes

    def trunk(self, inputs):
        """The maps of the network's trunk, after the preprocessing."""
        return self.network.trunk(self._preprocessed(inputs))

    def join(self, features, inputs):
        """Joins the vectors among the inputs to the trunk's last map, as the network does."""
        return self.network.join(features, inputs)

    def build(self, input_shape):
        single = as_list(input_shape) == [input_shape]
        first, *others = as_list(input_shape)
        self._first_shape = tuple(first)
        if not self.preprocessing.built:
            self.preprocessing.build(first)
        first = self.preprocessing.compute_output_shape(first)
        if not self.network.built:
            self.network.build(first if single else [first, *others])
        keep_frozen(self)

    def call(self, inputs, training=None):
        return self.network(self._preprocessed(inputs))

    def _preprocessed(self, inputs):
        """The inputs with the first of them after the preprocessing."""
        first, *others = as_list(inputs)
        leading = shapes.leading_axes([first], [self._first_shape])
        if leading:
            folded = self.preprocessing(shapes.fold(first, len(self._first_shape), leading))
            first = shapes.unfold(folded, leading)
        else:
            first = self.preprocessing(first)
        return (first, *others) if isinstance(inputs, (tuple, list)) else first

    def compute_output_shape(self, input_shape):
        first, *others = as_list(input_shape)
        single = as_list(input_shape) == [input_shape]
        first = self.preprocessing.compute_output_shape(first)
        return self.network.compute_output_shape(first if single else [first, *others])

    def get_config(self):
        parts = {"preprocessing": self.preprocessing, "network": self.network}
        serialized = {k: keras.saving.serialize_keras_object(part) for k, part in parts.items()}
        return {**super().get_config(), **serialized}

    @classmethod
    def from_config(cls, config):
        parts = ("preprocessing", "network")
        objects = {k: keras.saving.deserialize_keras_object(config[k]) for k in parts}
        return cls(**{**config, **objects})
