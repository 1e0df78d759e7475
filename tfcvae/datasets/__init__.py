"""Data sets, their transforms and reproducible streams of batches."""

from tfcvae.datasets.ambiguous_shapes import AmbiguousShapes, ambiguous_shapes, draw_masks
from tfcvae.datasets.directory import segmentation_from_directory
from tfcvae.datasets.garments import Segmentation, occluded_garments
from tfcvae.datasets.loaders import Split, Splits, digits, fashion_mnist, mnist
from tfcvae.datasets.masks import one_hot_masks
from tfcvae.datasets.transforms import binarize, complete, quadrants, stream

__all__ = [
    "AmbiguousShapes",
    "Segmentation",
    "Split",
    "Splits",
    "ambiguous_shapes",
    "binarize",
    "complete",
    "digits",
    "draw_masks",
    "fashion_mnist",
    "mnist",
    "occluded_garments",
    "one_hot_masks",
    "quadrants",
    "segmentation_from_directory",
    "stream",
]
