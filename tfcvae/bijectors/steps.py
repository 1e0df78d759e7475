"""The steps of a flow: how the dimensions of z depend on each other."""

import keras
import tensorflow_probability as tfp

from tfcvae import shapes
from tfcvae.bijectors.conditioner import Conditioner
from tfcvae.bijectors.transforms import Affine

tfb = tfp.bijectors


class _Step(keras.layers.Layer):
    """Common to both kinds: a conditioner gives the parameters of an elementwise transform."""

    num_passive = 1
    """How many places at the front the step leaves as they are, or moves by constants alone."""

    def __init__(self, event_size, transform=None, hidden_units=(128, 128), **kwargs):
        super().__init__(**kwargs)
        self.event_size = shapes.check_positive_int(event_size, "event_size")
        self.transform = Affine() if transform is None else transform
        self.hidden_units = hidden_units

    def _given(self, context):
        """The function from z to the transform of the dimensions that depend on it."""
        return lambda z: self.transform(self.conditioner(z, context=context))

    def get_config(self):
        return {
            **super().get_config(),
            "event_size": self.event_size,
            "transform": keras.saving.serialize_keras_object(self.transform),
            "hidden_units": self.hidden_units,
        }

    @classmethod
    def from_config(cls, config):
        transform = keras.saving.deserialize_keras_object(config["transform"])
        return cls(**{**config, "transform": transform})


@keras.saving.register_keras_serializable("tfcvae")
class Autoregressive(_Step):
    """Transforms each dimension by parameters that depend on those before it.

    The inverse, which densities use, is one pass of the network; the forward direction, which
    sampling uses, takes a pass for each dimension. With `inverted=True` it is the other way round.

    Args:
        event_size: int, the number of dimensions.
        transform: `Affine()`, the default, or `RationalQuadratic()`.
        hidden_units: sequence of ints.
        inverted: bool.
        **kwargs: arguments of `keras.layers.Layer`.

    Reference:
        Papamakarios et al., Masked Autoregressive Flow (2017), arXiv:1705.07057; inverted: Kingma
        et al., Inverse Autoregressive Flow (2016), arXiv:1606.04934.
    """

    def __init__(
        self, event_size, transform=None, hidden_units=(128, 128), inverted=False, **kwargs
    ):
        super().__init__(event_size, transform, hidden_units, **kwargs)
        self.inverted = inverted
        self.conditioner = Conditioner(
            event_size,
            self.transform.num_params,
            hidden_units,
            autoregressive=True,
            dtype=self.variable_dtype,
        )

    def build(self, context_shape=None):
        self.conditioner.build((None, self.event_size), context_shape)

    def call(self, context=None):
        bijector = tfb.MaskedAutoregressiveFlow(bijector_fn=self._given(context))
        return tfb.Invert(bijector) if self.inverted else bijector

    def get_config(self):
        return {**super().get_config(), "inverted": self.inverted}


@keras.saving.register_keras_serializable("tfcvae")
class Coupling(_Step):
    """Transforms the second half of z by parameters that depend on the first, rounded up.

    Both directions are one pass of the network.

    Args:
        event_size: int >= 2, the number of dimensions.
        transform: `Affine()`, the default, or `RationalQuadratic()`.
        hidden_units: sequence of ints.
        **kwargs: arguments of `keras.layers.Layer`.

    Raises:
        ValueError: if `event_size` is 1, which leaves nothing to condition on.

    Reference:
        Dinh et al., Density estimation using Real NVP (2016), arXiv:1605.08803.
    """

    def __init__(self, event_size, transform=None, hidden_units=(128, 128), **kwargs):
        super().__init__(event_size, transform, hidden_units, **kwargs)
        if event_size < 2:
            raise ValueError(
                "Argument `event_size` of a coupling must be at least 2. "
                f"Received: event_size={event_size}"
            )
        self.num_passive = (event_size + 1) // 2
        self.conditioner = Conditioner(
            event_size - self.num_passive,
            self.transform.num_params,
            hidden_units,
            dtype=self.variable_dtype,
        )

    def build(self, context_shape=None):
        self.conditioner.build((None, self.num_passive), context_shape)

    def call(self, context=None):
        given = self._given(context)
        return tfb.RealNVP(num_masked=self.num_passive, bijector_fn=lambda z, _: given(z))
