"""Priors p(z), which are p(z|x) with a network of x."""

from tfcvae.priors.base import Prior
from tfcvae.priors.bayesian import BayesianNormal
from tfcvae.priors.flows import IAF, MAF, Flow, NeuralSplineFlow, RealNVP
from tfcvae.priors.mixture import GaussianMixture
from tfcvae.priors.normal import LearnedNormal, StandardNormal
from tfcvae.priors.second_stage import SecondStage
from tfcvae.priors.vamp import VampPrior

__all__ = [
    "BayesianNormal",
    "Flow",
    "GaussianMixture",
    "IAF",
    "LearnedNormal",
    "MAF",
    "NeuralSplineFlow",
    "Prior",
    "RealNVP",
    "SecondStage",
    "StandardNormal",
    "VampPrior",
]
