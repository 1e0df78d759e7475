"""Distribution layers that push another layer's distribution through a flow."""

import keras
import tensorflow as tf

from tfcvae import bijectors, shapes
from tfcvae.layers.base import DistributionLayer, keep_frozen


class _Transformed(DistributionLayer):
    """The distribution of a layer, pushed through steps that see the features of its network."""

    def __init__(self, base, num_steps, hidden_units, mixing, inverted, **kwargs):
        if not isinstance(base, DistributionLayer) or len(base.event_shape) != 1:
            raise ValueError(
                f"Argument `base` must be a distribution layer over vectors. Received: base={base}"
            )
        super().__init__(base.event_shape, **kwargs)
        self.base = base
        self.num_steps = shapes.check_positive_int(num_steps, "num_steps")
        self.hidden_units = shapes.as_event_shape(hidden_units, "hidden_units")
        self.mixing = mixing
        (event_size,) = self.event_shape

        def make_step(name):
            return bijectors.Autoregressive(
                event_size,
                hidden_units=self.hidden_units,
                inverted=inverted,
                dtype=self.variable_dtype,
                name=name,
            )

        self.chain = bijectors.flow(
            make_step, event_size, num_steps, mixing, dtype=self.variable_dtype
        )

    def build(self, input_shape):
        if not self.base.built:
            self.base.build(input_shape)
        self.input_shapes = self.base.input_shapes
        self.feature_shape = self.base.feature_shape
        self.chain.build((None, shapes.size(self.feature_shape)))
        keep_frozen(self)

    def features(self, inputs, training=None):
        return self.base.features(inputs, training)

    def from_features(self, features):
        context = tf.cast(features, self.variable_dtype)
        context = shapes.flatten(context, len(self.feature_shape))
        base = self.base.from_features(features)
        return bijectors.transformed(base, self.chain(context), context)

    def distribution(self, features):
        return self.from_features(features)

    def get_config(self):
        config = super().get_config()
        del config["event_shape"], config["network"]
        return {
            **config,
            "base": keras.saving.serialize_keras_object(self.base),
            "num_steps": self.num_steps,
            "hidden_units": self.hidden_units,
            "mixing": self.mixing,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "base": keras.saving.deserialize_keras_object(config["base"])})


@keras.saving.register_keras_serializable("tfcvae")
class FlowPosterior(_Transformed):
    """A posterior by an inverse autoregressive flow: another layer's draws, made to depend on each
    other.

    ```python
    encoder = layers.FlowPosterior(layers.IndependentNormal(32, network=networks.mlp([512, 512])))
    ```

    Each step sees the features of the base's network beside z. Drawing, and the density of the
    draws, are one pass of each step; the density of any other point takes `event_size` passes. So
    does that of draws whose gradient is stopped, as in importance-weighted training.

    Args:
        base: distribution layer with event shape `[event_size]`, such as `IndependentNormal`.
        num_steps: int, the number of steps.
        hidden_units: sequence of ints, the hidden layers of each step's network.
        mixing: `"permutation"` or `"linear"`, as in `priors.Flow`.
        **kwargs: arguments of `keras.layers.Layer`.

    Raises:
        ValueError: if `base` is not a distribution layer over vectors.

    Reference:
        Kingma et al., Improved Variational Inference with Inverse Autoregressive Flow (2016),
        arXiv:1606.04934.
    """

    def __init__(self, base, num_steps=2, hidden_units=(128, 128), mixing="permutation", **kwargs):
        super().__init__(base, num_steps, hidden_units, mixing, inverted=True, **kwargs)


@keras.saving.register_keras_serializable("tfcvae")
class AutoregressiveTransform(_Transformed):
    """A layer's distribution pushed through a masked autoregressive flow, for likelihoods.

    The density of any point is one pass of each step; a draw takes `event_size` passes.

    Args, raises and inputs as in `FlowPosterior`, with `num_steps=1`.

    Reference:
        Papamakarios et al., Masked Autoregressive Flow (2017), arXiv:1705.07057.
    """

    def __init__(self, base, num_steps=1, hidden_units=(128, 128), mixing="permutation", **kwargs):
        super().__init__(base, num_steps, hidden_units, mixing, inverted=False, **kwargs)
