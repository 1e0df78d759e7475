"""Scores of trained models over whole data sets, and of predicted masks."""

from tfcvae.evaluation.likelihood import Estimate, elbo, log_likelihood
from tfcvae.evaluation.masks import intersection_over_union, pairwise_iou, pixel_accuracy
from tfcvae.evaluation.modes import ModeFrequencies, mode_frequencies
from tfcvae.evaluation.report import mask_scores
from tfcvae.evaluation.segmentation import (
    generalized_energy_distance,
    hungarian_iou,
    sample_diversity,
)

__all__ = [
    "Estimate",
    "ModeFrequencies",
    "elbo",
    "generalized_energy_distance",
    "hungarian_iou",
    "intersection_over_union",
    "log_likelihood",
    "mask_scores",
    "mode_frequencies",
    "pairwise_iou",
    "pixel_accuracy",
    "sample_diversity",
]
