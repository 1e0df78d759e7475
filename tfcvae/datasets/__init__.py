"""Data sets, their transforms and reproducible streams of batches."""

from tfcvae.datasets.loaders import Split, Splits, digits, fashion_mnist, mnist
from tfcvae.datasets.transforms import binarize, complete, quadrants, stream

__all__ = [
    "Split",
    "Splits",
    "binarize",
    "complete",
    "digits",
    "fashion_mnist",
    "mnist",
    "quadrants",
    "stream",
]
