"""Distribution layers: Keras layers whose call returns a TFP distribution."""

from tfcvae.layers.base import DistributionLayer
from tfcvae.layers.bayesian import (
    BayesianLayer,
    Convolution1DFlipout,
    Convolution1DReparameterization,
    Convolution2DFlipout,
    Convolution2DReparameterization,
    Convolution3DFlipout,
    Convolution3DReparameterization,
    DenseFlipout,
    DenseLocalReparameterization,
    DenseReparameterization,
    DenseVariational,
    default_mean_field_normal_fn,
    default_multivariate_normal_fn,
)
from tfcvae.layers.block_omission import BlockOmission
from tfcvae.layers.center import center
from tfcvae.layers.distribution_lambda import DistributionLambda
from tfcvae.layers.image_pyramid import ImagePyramid
from tfcvae.layers.likelihoods import (
    IndependentBernoulli,
    IndependentContinuousBernoulli,
    IndependentLogistic,
    IndependentPoisson,
    IndependentQuantizedLogistic,
    OneHotCategorical,
)
from tfcvae.layers.mixtures import (
    CategoricalMixtureOfOneHotCategorical,
    MixtureLogistic,
    MixtureNormal,
    MixtureSameFamily,
)
from tfcvae.layers.multi_scale import MultiScale
from tfcvae.layers.normal import IndependentNormal, MultivariateNormalTriL
from tfcvae.layers.projection import ProjectedLayer
from tfcvae.layers.transformed import AutoregressiveTransform, FlowPosterior
from tfcvae.layers.variable import VariableLayer

Conv1DFlipout = Convolution1DFlipout
Conv1DReparameterization = Convolution1DReparameterization
Conv2DFlipout = Convolution2DFlipout
Conv2DReparameterization = Convolution2DReparameterization
Conv3DFlipout = Convolution3DFlipout
Conv3DReparameterization = Convolution3DReparameterization

__all__ = [
    "AutoregressiveTransform",
    "BayesianLayer",
    "BlockOmission",
    "CategoricalMixtureOfOneHotCategorical",
    "Conv1DFlipout",
    "Conv1DReparameterization",
    "Conv2DFlipout",
    "Conv2DReparameterization",
    "Conv3DFlipout",
    "Conv3DReparameterization",
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
    "DistributionLambda",
    "DistributionLayer",
    "FlowPosterior",
    "ImagePyramid",
    "IndependentBernoulli",
    "IndependentContinuousBernoulli",
    "IndependentLogistic",
    "IndependentNormal",
    "IndependentPoisson",
    "IndependentQuantizedLogistic",
    "MixtureLogistic",
    "MixtureNormal",
    "MixtureSameFamily",
    "MultiScale",
    "MultivariateNormalTriL",
    "OneHotCategorical",
    "ProjectedLayer",
    "VariableLayer",
    "center",
    "default_mean_field_normal_fn",
    "default_multivariate_normal_fn",
]
