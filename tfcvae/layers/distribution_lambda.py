"""A distribution layer from a function."""

import keras

from tfcvae.layers.base import DistributionLayer
from tfcvae.registration import check_registered


@keras.saving.register_keras_serializable("tfcvae")
class DistributionLambda(DistributionLayer):
    """A distribution layer made of a registered function from features to a distribution.

    The function is saved by its registered name, never as code:

    ```python
    @keras.saving.register_keras_serializable("my_package")
    def laplace(features):
        return tfd.Independent(tfd.Laplace(features, 1.0), 1)

    layer = tfcvae.layers.DistributionLambda(laplace, 4, network=keras.layers.Dense(4))
    ```

    Args:
        make_distribution_fn: function from features in float32, `[*samples, batch, ...]`, to a
            distribution of event shape `event_shape`, registered with
            `keras.saving.register_keras_serializable`. It may hold no weights.
        event_shape: int or sequence of ints, the shape of one draw.
        network: Keras layer or model from the inputs to features, or `None`.
        **kwargs: arguments of `keras.layers.Layer`.

    Raises:
        ValueError: if the function is not registered, since it could not be loaded again.
    """

    def __init__(self, make_distribution_fn, event_shape, network=None, **kwargs):
        super().__init__(event_shape, network, **kwargs)
        self.make_distribution_fn = check_registered(make_distribution_fn, "make_distribution_fn")

    def distribution(self, features):
        return self.make_distribution_fn(features)

    def get_config(self):
        return {
            **super().get_config(),
            "make_distribution_fn": keras.saving.get_registered_name(self.make_distribution_fn),
        }

    @classmethod
    def from_config(cls, config):
        function = keras.saving.get_registered_object(config["make_distribution_fn"])
        return super().from_config({**config, "make_distribution_fn": function})
