"""Layers with random weights, for Bayesian neural networks."""

from tfcvae.layers.bayesian.base import BayesianLayer
from tfcvae.layers.bayesian.convolution import (
    Convolution1DFlipout,
    Convolution1DReparameterization,
    Convolution2DFlipout,
    Convolution2DReparameterization,
    Convolution3DFlipout,
    Convolution3DReparameterization,
)
from tfcvae.layers.bayesian.dense import (
    DenseFlipout,
    DenseLocalReparameterization,
    DenseReparameterization,
)
from tfcvae.layers.bayesian.posteriors import (
    default_mean_field_normal_fn,
    default_multivariate_normal_fn,
)
from tfcvae.layers.bayesian.variational import DenseVariational

__all__ = [
    "BayesianLayer",
    "Convolution1DFlipout",
    "Convolution1DReparameterization",
    "Convolution2DFlipout",
    "Convolution2DReparameterization",
    "Convolution3DFlipout",
    "Convolution3DReparameterization",
    "DenseFlipout",
    "DenseLocalReparameterization",
    "DenseReparameterization",
    "DenseVariational",
    "default_mean_field_normal_fn",
    "default_multivariate_normal_fn",
]
