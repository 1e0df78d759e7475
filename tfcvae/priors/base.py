"""What all priors share."""

import tensorflow as tf

from tfcvae import shapes
from tfcvae.bijectors import Parameters
from tfcvae.layers.base import DistributionLayer, keep_frozen


class Prior(DistributionLayer):
    """A distribution over latent vectors: p(z), or p(z|x) with a network of x.

    Without a network it is called with `None` (any other input is ignored) and has batch shape
    `[]`. With one, `context = network(x)`, flattened, conditions its parameters and the batch
    shape is `[batch]`.

    A subclass creates its weights in `build_parameters()`, by `add_parameters` or from
    `context_shape`, and implements `distribution(context)`; shape and context are `None` without a
    network.

    Args:
        event_size: int, the number of latent dimensions.
        network: Keras layer or model from x to a context, or `None`.
        **kwargs: arguments of `keras.layers.Layer`.
    """

    def __init__(self, event_size, network=None, **kwargs):
        super().__init__(shapes.check_positive_int(event_size, "event_size"), network, **kwargs)

    @property
    def event_size(self):
        """The number of latent dimensions."""
        return self.event_shape[0]

    @property
    def context_shape(self):
        """The shape of the context, `(batch, size)`, or `None` without a network."""
        return None if self.network is None else (None, shapes.size(self.feature_shape))

    @property
    def is_conditional(self):
        """Whether this is a p(z|x), whose distribution depends on its input."""
        return self.network is not None

    def add_parameters(self, units, name, initializer="zeros"):
        """Creates `units` parameters: a layer from the context, or `None`, to a vector of them."""
        parameters = Parameters(units, initializer, dtype=self.variable_dtype, name=name)
        parameters.build(self.context_shape)
        return parameters

    def build(self, input_shape=None):
        if self.network is None:
            self.build_parameters()
            keep_frozen(self)
        else:
            super().build(input_shape)

    def call(self, inputs=None, training=None):
        return self.distribution(self.context(inputs))

    def context(self, inputs=None):
        """The output of the network, `[batch, size]`, or `None` without one."""
        if self.network is None:
            return None
        context = shapes.flatten(self.features(inputs), len(self.feature_shape))
        return tf.cast(context, self.variable_dtype)

    def compute_output_shape(self, input_shape=None):
        batch = () if not self.is_conditional else super().compute_output_shape(input_shape)[:1]
        return (*batch, self.event_size)

    def get_config(self):
        config = super().get_config()
        del config["event_shape"]
        return {**config, "event_size": self.event_size}


def check_no_network(name, arguments):
    """Raises a `ValueError` if a prior that takes no network is given one."""
    if arguments.get("network") is not None:
        raise ValueError(
            f"A `{name}` takes no argument `network`: it does not depend on an input by itself. "
            f"Received: network={arguments['network']}"
        )
