"""Distribution layers: Keras layers whose call returns a TFP distribution."""

from tfcvae.layers.base import DistributionLayer
from tfcvae.layers.block_omission import BlockOmission
from tfcvae.layers.center import center
from tfcvae.layers.distribution_lambda import DistributionLambda
from tfcvae.layers.image_pyramid import ImagePyramid
from tfcvae.layers.likelihoods import (
    IndependentBernoulli,
    IndependentContinuousBernoulli,
    IndependentLogistic,
    IndependentNormal,
    IndependentQuantizedLogistic,
    MultivariateNormalTriL,
    OneHotCategorical,
)
from tfcvae.layers.multi_scale import MultiScale

__all__ = [
    "BlockOmission",
    "DistributionLambda",
    "DistributionLayer",
    "ImagePyramid",
    "IndependentBernoulli",
    "IndependentContinuousBernoulli",
    "IndependentLogistic",
    "IndependentNormal",
    "IndependentQuantizedLogistic",
    "MultiScale",
    "MultivariateNormalTriL",
    "OneHotCategorical",
    "center",
]
