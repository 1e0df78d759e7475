"""The one idea: a Keras layer whose call returns a distribution."""

import abc

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfcvae import shapes

MIN_SCALE = 1e-5
"""Added to the softplus of every scale, so that no density overflows."""


def positive(raw):
    """Maps unconstrained parameters to scales: softplus plus a small floor."""
    return tf.nn.softplus(raw) + MIN_SCALE


def independent(distribution, event_shape):
    """A distribution of single elements as one of events of a shape."""
    return tfp.distributions.Independent(distribution, len(event_shape))


def normal_tril(loc, raw):
    """The normal distribution of a mean and the raw triangle of its Cholesky factor."""
    fill = tfp.bijectors.FillScaleTriL(diag_shift=tf.constant(MIN_SCALE, loc.dtype))
    return tfp.distributions.MultivariateNormalTriL(loc, fill(raw))


class DistributionLayer(keras.layers.Layer, abc.ABC):
    """A Keras layer whose call returns a `tfp.distributions.Distribution`.

    A subclass implements `distribution(features)`. Its parameters are Keras weights and its
    distribution is made anew in every call: one that is stored would train nothing. Once built it
    knows `feature_shape`, that of a row of features, and `input_shapes`, a tuple of one shape for
    each input.

    Inputs may carry sample axes in front of the batch axis, `[num_samples, batch, ...]`: they are
    folded into the batch before the network and unfolded after it, and the distribution has batch
    shape `[num_samples, batch]`. A network with the attribute `handles_samples = True` receives the
    inputs as they are, and can run the part that sees no sample axis once.

    Args:
        event_shape: int or sequence of ints, the shape of one draw.
        network: Keras layer or model from the inputs to features, or `None` for the inputs
            themselves. Several inputs arrive as a tuple.
        **kwargs: arguments of `keras.layers.Layer`. Under a mixed precision policy the network and
            the projection run in half precision, the distribution in float32.

    Raises:
        ValueError: if `event_shape` is not made of positive ints.
    """

    def __init__(self, event_shape, network=None, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.event_shape = shapes.as_event_shape(event_shape)
        if network is not None and not isinstance(network, keras.layers.Layer):
            raise ValueError(
                f"Argument `network` must be a Keras layer or model. Received: network={network}"
            )
        self.network = network

    @abc.abstractmethod
    def distribution(self, features):
        """Returns the distribution given features in float32, `[*samples, batch, ...]`."""

    def build(self, input_shape):
        input_shapes = _list_of_shapes(input_shape)
        self.input_shapes = tuple(input_shapes)
        if self.network is None:
            feature_shape = input_shapes[0]
            if len(input_shapes) > 1:
                feature_shape = (None, sum(shapes.size(s[1:]) for s in input_shapes))
        else:
            feature_shape = _build_network(self.network, input_shape)
        self.feature_shape = tuple(feature_shape[1:])
        self.build_parameters()
        keep_frozen(self)

    def build_parameters(self):
        """Creates the layer's own weights; `feature_shape` is known by then."""

    def call(self, inputs, training=None):
        return self.from_features(self.features(inputs))

    def from_features(self, features):
        """The distribution given the network's output, in any precision."""
        return self.distribution(tf.cast(features, self.variable_dtype))

    def features(self, inputs, training=None):
        """Runs the network: `[*samples, batch, *feature_shape]`."""
        tensors = keras.tree.flatten(inputs)
        leading = shapes.leading_axes(tensors, self.input_shapes)
        if self.network is None and len(tensors) == 1:
            return tensors[0]
        if not leading or getattr(self.network, "handles_samples", False):
            return self._apply(inputs, training)
        folded = [
            shapes.fold(tensor, len(shape), leading)
            for tensor, shape in zip(tensors, self.input_shapes)
        ]
        folded = keras.tree.pack_sequence_as(inputs, folded)
        return shapes.unfold(self._apply(folded, training), leading)

    def _apply(self, inputs, training):
        if self.network is not None:
            # Keras takes a `None` as an answer, where the layers around may have given one.
            return self.network(inputs, **({} if training is None else {"training": training}))
        return tf.concat(
            [
                shapes.flatten(tf.cast(tensor, self.compute_dtype), len(shape) - 1)
                for tensor, shape in zip(keras.tree.flatten(inputs), self.input_shapes)
            ],
            axis=-1,
        )

    def compute_output_shape(self, input_shape):
        """The shape of one draw for each row: `(batch, *event_shape)`."""
        return (_list_of_shapes(input_shape)[0][0], *self.event_shape)

    def check_support(self, values, name):
        """Raises a `ValueError` if data lie outside the distribution's support."""

    def get_config(self):
        return {
            **super().get_config(),
            "event_shape": self.event_shape,
            "network": keras.saving.serialize_keras_object(self.network),
        }

    @classmethod
    def from_config(cls, config):
        config = {**config, "network": keras.saving.deserialize_keras_object(config["network"])}
        return cls(**config)


def keep_frozen(layer):
    """Freezes what a frozen layer has made since: Keras's flag reaches only what exists.

    It is set twice since an assignment of the value that it has already does nothing.
    """
    if not layer.trainable:
        layer.trainable = True
        layer.trainable = False


def check_support(name, rule, values, valid):
    """Raises a `ValueError` that names the data, the rule and the range found, unless `valid`."""
    if not valid:
        raise ValueError(
            f"Argument `{name}` must hold {rule}. Received: values from {values.min()} to "
            f"{values.max()}, dtype {values.dtype}"
        )


def _list_of_shapes(input_shape):
    """A list of shapes from one shape or a sequence of them."""
    return [tuple(s) for s in ([input_shape] if shapes.is_shape(input_shape) else input_shape)]


def _build_network(network, input_shape):
    """Creates a network's weights, if it has none yet, and returns the shape of its output."""
    symbolic = [keras.KerasTensor(shape) for shape in _list_of_shapes(input_shape)]
    symbolic = symbolic[0] if shapes.is_shape(input_shape) else tuple(symbolic)
    output = network.compute_output_spec(symbolic) if network.built else network(symbolic)
    outputs = keras.tree.flatten(output)
    if len(outputs) != 1:
        raise ValueError(
            "Argument `network` must return one tensor. "
            f"Received: network={network.name} with {len(outputs)} outputs"
        )
    return outputs[0].shape
