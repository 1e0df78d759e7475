"""Priors p(z), which are p(z|x) with a network of x."""

from tfcvae.priors.base import Prior
from tfcvae.priors.flows import MAF, Flow, RealNVP
from tfcvae.priors.mixture import GaussianMixture
from tfcvae.priors.normal import LearnedNormal, StandardNormal

__all__ = ["Flow", "GaussianMixture", "LearnedNormal", "MAF", "Prior", "RealNVP", "StandardNormal"]
