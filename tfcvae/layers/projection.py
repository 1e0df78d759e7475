"""Likelihoods and posteriors whose parameters are a projection of features."""

import keras
import tensorflow as tf

from tfcvae import shapes
from tfcvae.layers.base import DistributionLayer


class ProjectedLayer(DistributionLayer):
    """A distribution layer that projects features to raw parameters with a `Dense` of its own.

    If the features keep the event's spatial shape the projection acts on their last axis;
    otherwise it is a `Dense` to the whole event, reshaped.

    Args:
        event_shape: int or sequence of ints, the shape of one draw.
        network: Keras layer or model from the inputs to features, or `None`.
        projection: `False` for a layer without weights, whose features are the raw parameters
            themselves, `[..., params_size(event_shape)]`, as in `tfp.layers`.
        **kwargs: arguments of `keras.layers.Layer`.

    Raises:
        ValueError: if the raw parameters of a layer without projection have another size.
    """

    num_params = 1
    """Number of parameters for each element of the event."""

    by_position = True
    """Whether the parameters of an element follow from the features at its place."""

    def __init__(self, event_shape, network=None, projection=True, **kwargs):
        super().__init__(event_shape, network, **kwargs)
        self.projection = projection
        self._dense = None

    @classmethod
    def params_size(cls, event_shape):
        """Number of raw parameters that describe one event."""
        return cls.num_params * shapes.size(shapes.as_event_shape(event_shape))

    def build_parameters(self):
        event, features, size = self.event_shape, self.feature_shape, self.raw_size
        if not self.projection:
            if shapes.size(features) != size:
                raise ValueError(
                    f"A layer with `projection=False` needs {size} raw parameters for events of "
                    f"shape {event}. Received: features of shape {features}"
                )
            return
        spatial = self.by_position and len(event) > 1
        self._keeps_space = spatial and features[:-1] == event[:-1]
        last = features[-1] if self._keeps_space else shapes.size(features)
        units = size // shapes.size(event[:-1]) if self._keeps_space else size
        self._dense = keras.layers.Dense(units, dtype=self.dtype_policy, name="projection")
        self._dense.build((None, last))

    def from_features(self, features):
        if self._dense is not None:
            if not self._keeps_space:
                features = shapes.flatten(features, len(self.feature_shape))
            features = self._project(tf.cast(features, self.compute_dtype))
        return super().from_features(features)

    def resized(self, event_shape, **own):
        """A layer of this kind for events of another shape, without a network.

        Args:
            event_shape: sequence of ints.
            **own: further arguments in the place of this layer's.
        """
        config = {**self.get_config(), "event_shape": event_shape, "network": None, **own}
        return type(self).from_config(config)

    def as_events(self, means):
        """Turns means over areas of an event into possible events, such as targets made coarser."""
        return means

    def _project(self, features):
        """The `Dense` on rows: TensorFlow's batched product crashes on maps of height 1."""
        rows = self._dense(tf.reshape(features, [-1, features.shape[-1]]))
        return tf.reshape(rows, [*shapes.dims(features)[:-1], self._dense.units])

    @property
    def raw_size(self):
        return self.params_size(self.event_shape)

    def _elementwise(self, raw, num_params=None):
        """Splits raw parameters into tensors of shape `[..., *event_shape]`."""
        parts = tf.split(raw, num_params or self.num_params, axis=-1)
        batch = shapes.dims(raw)[: self._batch_rank(raw)]
        return [tf.reshape(part, [*batch, *self.event_shape]) for part in parts]

    def _batch_rank(self, raw):
        if self._dense is None:
            return raw.shape.rank - len(self.feature_shape)
        return raw.shape.rank - (len(self.event_shape) if self._keeps_space else 1)

    def get_config(self):
        return {**super().get_config(), "projection": self.projection}
