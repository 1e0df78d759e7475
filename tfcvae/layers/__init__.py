"""Distribution layers: Keras layers whose call returns a TFP distribution."""

from tfcvae.layers.base import DistributionLayer
from tfcvae.layers.center import center
from tfcvae.layers.distribution_lambda import DistributionLambda
from tfcvae.layers.likelihoods import (
    IndependentBernoulli,
    IndependentContinuousBernoulli,
    IndependentLogistic,
    IndependentNormal,
    IndependentQuantizedLogistic,
    MultivariateNormalTriL,
    OneHotCategorical,
)

__all__ = [
    "DistributionLambda",
    "DistributionLayer",
    "IndependentBernoulli",
    "IndependentContinuousBernoulli",
    "IndependentLogistic",
    "IndependentNormal",
    "IndependentQuantizedLogistic",
    "MultivariateNormalTriL",
    "OneHotCategorical",
    "center",
]
