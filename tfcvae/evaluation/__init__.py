"""Scores of trained models over whole data sets, of their latent variables, and of masks."""

from tfcvae.evaluation.latents import (
    ActiveUnits,
    active_units,
    kl_per_dimension,
    mutual_information,
    prior_gap,
)
from tfcvae.evaluation.likelihood import Estimate, elbo, log_likelihood
from tfcvae.evaluation.masks import intersection_over_union, pairwise_iou, pixel_accuracy
from tfcvae.evaluation.modes import ModeFrequencies, mode_frequencies
from tfcvae.evaluation.report import mask_scores
from tfcvae.evaluation.segmentation import (
    generalized_energy_distance,
    hungarian_iou,
    sample_diversity,
)
from tfcvae.evaluation.two_sample import TwoSampleTest, mmd_test
from tfcvae.evaluation.weights import Prediction, predict_over_weights

__all__ = [
    "ActiveUnits",
    "Estimate",
    "ModeFrequencies",
    "Prediction",
    "TwoSampleTest",
    "active_units",
    "elbo",
    "generalized_energy_distance",
    "hungarian_iou",
    "intersection_over_union",
    "kl_per_dimension",
    "log_likelihood",
    "mask_scores",
    "mmd_test",
    "mode_frequencies",
    "mutual_information",
    "pairwise_iou",
    "pixel_accuracy",
    "predict_over_weights",
    "prior_gap",
    "sample_diversity",
]
