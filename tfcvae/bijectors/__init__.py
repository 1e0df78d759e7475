"""Bijector layers: Keras layers whose call returns a TFP bijector.

TFP's own networks for bijectors hold variables that Keras 3 does not see. Here the weights belong
to Keras layers, and the bijector is made anew in every call around a function of them.
"""

from tfcvae.bijectors.composition import Chain, flow, transformed
from tfcvae.bijectors.conditioner import Conditioner, Parameters
from tfcvae.bijectors.mixing import ActNorm, LinearMixing, Permutation
from tfcvae.bijectors.steps import Autoregressive, Coupling
from tfcvae.bijectors.transforms import Affine, RationalQuadratic

__all__ = [
    "ActNorm",
    "Affine",
    "Autoregressive",
    "Chain",
    "Conditioner",
    "Coupling",
    "LinearMixing",
    "Parameters",
    "Permutation",
    "RationalQuadratic",
    "flow",
    "transformed",
]
