"""Predictions at several resolutions."""

import math
import numbers

import keras

from tfcvae.layers.base import keep_frozen
from tfcvae.layers.projection import ProjectedLayer
from tfcvae.resize import area_resize, scaled_size


@keras.saving.register_keras_serializable("tfcvae")
class MultiScale(keras.layers.Layer):
    """A likelihood of images with further predictions at coarser scales, which train it only.

    It acts as `layer`, and the distribution that it returns also has `auxiliary_log_prob(y)`: the
    weighted sum over the scales of the log-probability of y, made coarser, under a head of its own.
    `tfcvae.VAE` and `tfcvae.CVAE` add minus its mean to the loss as the term `multi_scale`
    (`baseline_multi_scale` for a baseline), never to the ELBO.

    The heads see the features of the layer's network, averaged to their resolution; of a network
    with a trunk, as `networks.unet` has, they see the trunk's maps of that resolution, so that they
    lie on the deterministic path from x to y.

    Args:
        layer: a likelihood of this module, of images `(height, width, channels)`.
        scales: sequence of floats in (0, 1], the resolution of each further prediction.
        weights: sequence of floats >= 0, one for each scale; 1 each if `None`.
        **kwargs: arguments of `keras.layers.Layer`.

    Raises:
        ValueError: if `layer` is not a likelihood of images, or `scales` or `weights` are not such
            sequences.

    Reference:
        Sohn, Lee and Yan, Learning Structured Output Representation using Deep Conditional
        Generative Models (NIPS 2015).
    """

    def __init__(self, layer, scales=(0.25, 0.5), weights=None, **kwargs):
        super().__init__(autocast=False, **kwargs)
        if not isinstance(layer, ProjectedLayer) or len(layer.event_shape) != 3:
            raise ValueError(
                "Argument `layer` must be a likelihood with a projection, of images "
                f"(height, width, channels). Received: layer={layer} with "
                f"event_shape={getattr(layer, 'event_shape', None)}"
            )
        self.layer = layer
        self.scales = check_floats("scales", scales, lambda scale: 0 < scale <= 1, "in (0, 1]")
        weights = [1.0] * len(self.scales) if weights is None else weights
        self.scale_weights = check_floats("weights", weights, lambda w: w >= 0, ">= 0")
        if len(self.scale_weights) != len(self.scales):
            raise ValueError(
                "Argument `weights` must hold one number for each scale. "
                f"Received: weights={weights}, scales={scales}"
            )
        self.heads = [self._head(scale, i) for i, scale in enumerate(self.scales)]

    @property
    def event_shape(self):
        """The shape of one draw at full resolution."""
        return self.layer.event_shape

    @property
    def network(self):
        """The network of the full-resolution layer."""
        return self.layer.network

    @property
    def takes_integers(self):
        """Whether the data are integers, as 8-bit images are."""
        return getattr(self.layer, "takes_integers", False)

    def check_support(self, values, name):
        """Raises a `ValueError` if data lie outside the distribution's support."""
        self.layer.check_support(values, name)

    def build(self, input_shape):
        if not self.layer.built:
            self.layer.build(input_shape)
        maps = getattr(self.network, "map_shapes", None)
        self._has_trunk = maps is not None
        maps = maps or [self.layer.feature_shape]
        self._has_maps = len(maps[0]) == 3
        self._sources = [_source(maps, head.event_shape) for head in self.heads]
        for head, source in zip(self.heads, self._sources):
            size = head.event_shape[:2] if self._has_maps else ()
            head.build((None, *size, *maps[source][len(size) :]))
        keep_frozen(self)

    def call(self, inputs, training=None):
        if self._has_trunk:
            maps = self.network.trunk(inputs)
            features = self.network.join(maps[-1], inputs)
        else:
            features = self.layer.features(inputs)
            maps = [features]
        distribution = self.layer.from_features(features)
        distribution.auxiliary_log_prob = lambda y: self._auxiliary_log_prob(maps, y)
        return distribution

    def compute_output_shape(self, input_shape):
        """The shape of one draw for each row: `(batch, *event_shape)`."""
        return self.layer.compute_output_shape(input_shape)

    def _auxiliary_log_prob(self, maps, y):
        total = 0.0
        for head, source, weight in zip(self.heads, self._sources, self.scale_weights):
            size, features = head.event_shape[:2], maps[source]
            if self._has_maps:
                features = area_resize(features, size)
            target = head.as_events(area_resize(y, size))
            total += weight * head(features).log_prob(target)
        return total

    def _head(self, scale, index):
        *size, channels = self.event_shape
        event_shape = (*scaled_size(size, scale), channels)
        return self.layer.resized(event_shape, projection=True, name=f"head_{index}")

    def get_config(self):
        return {
            **super().get_config(),
            "layer": keras.saving.serialize_keras_object(self.layer),
            "scales": self.scales,
            "weights": self.scale_weights,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "layer": keras.saving.deserialize_keras_object(config["layer"])})


def _source(maps, event_shape):
    """The index of the coarsest map that is at least as fine as an event, else of the last."""
    height, width, _ = event_shape
    fine = [i for i, shape in enumerate(maps) if shape[0] >= height and shape[1:2] >= (width,)]
    return min(fine, key=lambda i: math.prod(maps[i][:2]), default=len(maps) - 1)


def check_floats(name, values, valid, rule):
    """Returns `values` as a tuple of floats that all are `valid`, or raises a `ValueError`."""
    numbers_ = list(values) if isinstance(values, (list, tuple)) else []
    real = all(isinstance(v, numbers.Real) and not isinstance(v, bool) for v in numbers_)
    if not numbers_ or not real or not all(valid(v) for v in numbers_):
        raise ValueError(
            f"Argument `{name}` must be a non-empty sequence of floats {rule}. "
            f"Received: {name}={values}"
        )
    return tuple(float(v) for v in numbers_)
