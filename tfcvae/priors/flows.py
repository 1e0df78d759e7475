"""Priors by normalizing flows."""

import abc

import keras
import numpy as np
import tensorflow_probability as tfp

from tfcvae import bijectors, shapes
from tfcvae.priors.base import Prior
from tfcvae.priors.normal import normal, normal_parameters

tfd = tfp.distributions


class Flow(Prior, abc.ABC):
    """A normal base pushed through learned, invertible steps.

    Between steps the dimensions are permuted, in a fixed random order. With a network the base and
    every step depend on its output. All steps start as the identity.

    Args:
        event_size: int, the number of latent dimensions.
        num_steps: int, the number of steps.
        hidden_units: sequence of ints, the hidden layers of each step's network.
        network: Keras layer or model from x to a context, or `None`.
        **kwargs: arguments of `keras.layers.Layer`.
    """

    def __init__(self, event_size, num_steps=5, hidden_units=(128, 128), network=None, **kwargs):
        super().__init__(event_size, network, **kwargs)
        self.num_steps = shapes.check_positive_int(num_steps, "num_steps")
        self.hidden_units = shapes.as_event_shape(hidden_units, "hidden_units")
        self.steps = [self.make_step(f"step_{i}") for i in range(num_steps)]
        rng = np.random.default_rng(0)
        self._permutations = [rng.permutation(event_size).tolist() for _ in range(num_steps)]

    @abc.abstractmethod
    def make_step(self, name):
        """Returns a layer from a context or `None` to a bijector."""

    def build_parameters(self):
        self._base = normal_parameters(self)
        for step in self.steps:
            step.build(self.context_shape)

    def distribution(self, features):
        steps = [step(features) for step in self.steps]
        return tfd.TransformedDistribution(
            normal(self._base(features)), bijectors.chain(steps, self._permutations)
        )

    def get_config(self):
        return {
            **super().get_config(),
            "num_steps": self.num_steps,
            "hidden_units": self.hidden_units,
        }


@keras.saving.register_keras_serializable("tfcvae")
class MAF(Flow):
    """A masked autoregressive flow: fast densities, sampling in `event_size` passes per step.

    Args:
        event_size: int, the number of latent dimensions.
        num_steps: int, the number of steps.
        hidden_units: sequence of ints, the hidden layers of each step's network.
        network: Keras layer or model from x to a context, or `None`.
        **kwargs: arguments of `keras.layers.Layer`.

    Reference:
        Papamakarios et al., Masked Autoregressive Flow (2017), arXiv:1705.07057.
    """

    def make_step(self, name):
        return bijectors.MaskedAffine(
            self.event_size, self.hidden_units, dtype=self.variable_dtype, name=name
        )


@keras.saving.register_keras_serializable("tfcvae")
class RealNVP(Flow):
    """A flow of affine couplings: fast densities and fast sampling.

    Args:
        event_size: int >= 2, the number of latent dimensions.
        num_steps: int, the number of steps.
        hidden_units: sequence of ints, the hidden layers of each step's network.
        network: Keras layer or model from x to a context, or `None`.
        **kwargs: arguments of `keras.layers.Layer`.

    Reference:
        Dinh et al., Density estimation using Real NVP (2016), arXiv:1605.08803.
    """

    def make_step(self, name):
        return bijectors.AffineCoupling(
            self.event_size, self.hidden_units, dtype=self.variable_dtype, name=name
        )
