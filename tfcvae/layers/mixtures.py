"""Likelihoods and posteriors by mixtures."""

import keras
import tensorflow as tf

from tfcvae import shapes
from tfcvae.layers.likelihoods import IndependentLogistic, OneHotCategorical
from tfcvae.layers.normal import IndependentNormal
from tfcvae.layers.projection import ProjectedLayer
from tfcvae.mixtures import mixture


class _Mixture(ProjectedLayer):
    """A mixture over whole events, whose components are those of a raw layer."""

    by_position = False

    def __init__(self, num_components, component, network, projection, **kwargs):
        super().__init__(component.event_shape, network, projection, **kwargs)
        self.num_components = shapes.check_positive_int(num_components, "num_components")
        self.component = component

    def build_parameters(self):
        self.component.build((None, self.component.raw_size))
        super().build_parameters()

    @property
    def raw_size(self):
        return self.num_components * (1 + self.component.raw_size)

    def distribution(self, features):
        if self._dense is None:
            features = shapes.flatten(features, len(self.feature_shape))
        logits, raw = tf.split(features, [self.num_components, -1], axis=-1)
        raw = tf.reshape(raw, [*shapes.dims(logits), self.component.raw_size])
        return mixture(logits, self.component.from_features(raw))

    @property
    def takes_integers(self):
        """Whether the data are integers, as 8-bit images are."""
        return getattr(self.component, "takes_integers", False)

    def as_events(self, means):
        return self.component.as_events(means)

    def check_support(self, values, name):
        self.component.check_support(values, name)

    def get_config(self):
        return {**super().get_config(), "num_components": self.num_components}


@keras.saving.register_keras_serializable("tfcvae")
class MixtureSameFamily(_Mixture):
    """A mixture over whole events, whose components another layer makes.

    ```python
    component = layers.IndependentLogistic(3, projection=False)
    layer = layers.MixtureSameFamily(5, component, network=networks.mlp([64]))
    ```

    Args:
        num_components: int.
        component: one of the layers with `projection=False` and no network.
        network: Keras layer or model from the inputs to features, or `None`.
        projection: `False` for raw parameters as features: the logits of the components, then the
            raw parameters of each of them.
        **kwargs: arguments of `keras.layers.Layer`.

    Output shape:
        A `tfd.MixtureSameFamily` with the event shape of the component.

    Raises:
        ValueError: if the component has a network or a projection of its own.
    """

    def __init__(self, num_components, component, network=None, projection=True, **kwargs):
        raw = isinstance(component, ProjectedLayer) and not component.projection
        if not raw or component.network is not None:
            raise ValueError(
                "Argument `component` must be a layer with `projection=False` and without a "
                f"network. Received: component={component}"
            )
        super().__init__(num_components, component, network, projection, **kwargs)

    @staticmethod
    def params_size(num_components, component_params_size):
        """Number of raw parameters: logits, and those of every component."""
        return num_components * (1 + component_params_size)

    def resized(self, event_shape, **own):
        component = keras.saving.serialize_keras_object(self.component.resized(event_shape))
        config = {**self.get_config(), "component": component, "network": None, **own}
        return type(self).from_config(config)

    def get_config(self):
        config = super().get_config()
        del config["event_shape"]
        return {**config, "component": keras.saving.serialize_keras_object(self.component)}

    @classmethod
    def from_config(cls, config):
        component = keras.saving.deserialize_keras_object(config["component"])
        return super().from_config({**config, "component": component})


class _OfEvents(_Mixture):
    """A mixture whose components are made from the event shape."""

    component_class = None

    def __init__(self, num_components, event_shape, network=None, projection=True, **kwargs):
        component = self.component_class(event_shape, projection=False)
        super().__init__(num_components, component, network, projection, **kwargs)

    @classmethod
    def params_size(cls, num_components, event_shape):
        """Number of raw parameters that describe one event."""
        return num_components * (1 + cls.component_class.params_size(event_shape))


@keras.saving.register_keras_serializable("tfcvae")
class MixtureNormal(_OfEvents):
    """A mixture of independent normal distributions over the elements of an event.

    Args:
        num_components: int.
        event_shape: int or sequence of ints, the shape of one draw.
        network: Keras layer or model from the inputs to features, or `None`.
        projection: `False` for raw parameters as features, as in `MixtureSameFamily`.
        **kwargs: arguments of `keras.layers.Layer`.
    """

    component_class = IndependentNormal


@keras.saving.register_keras_serializable("tfcvae")
class MixtureLogistic(_OfEvents):
    """A mixture of independent logistic distributions; args as in `MixtureNormal`."""

    component_class = IndependentLogistic


@keras.saving.register_keras_serializable("tfcvae")
class CategoricalMixtureOfOneHotCategorical(_OfEvents):
    """A mixture of categorical distributions over one-hot vectors; args as in `MixtureNormal`.

    With an event shape of several axes, the positions are independent within a component.
    """

    component_class = OneHotCategorical
