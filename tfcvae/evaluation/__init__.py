"""Scores of trained models over whole data sets."""

from tfcvae.evaluation.likelihood import Estimate, elbo, log_likelihood

__all__ = ["Estimate", "elbo", "log_likelihood"]
