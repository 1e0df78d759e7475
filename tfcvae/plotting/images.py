"""Grids of images."""

import math

import numpy as np

from tfcvae import shapes
from tfcvae.plotting.figures import as_images, draw_grid

HIDDEN_COLOR = (0.72, 0.80, 0.86)


def reconstructions(images, reconstructions, num_images=10):
    """Draws images above their reconstructions.

    Args:
        images: Array of images.
        reconstructions: Array of the same shape.
        num_images: Integer, the largest number of images drawn; the first ones are taken.

    Returns:
        A `matplotlib.figure.Figure` with two rows.

    Raises:
        ValueError: If the arrays are not images of one shape, or `num_images` is not positive.
    """
    shapes.check_positive_int(num_images, "num_images")
    images = as_images("images", images)
    reconstructions = as_images("reconstructions", reconstructions, shape=images.shape)
    rows = [*images[:num_images], *reconstructions[:num_images]]
    return draw_grid(rows, len(rows) // 2, row_labels=("original", "reconstructed"))


def samples(images, num_columns=None):
    """Draws a grid of images, filled row by row.

    Args:
        images: Array of images.
        num_columns: Integer. Defaults to what makes the grid square, or nearly so.

    Returns:
        A `matplotlib.figure.Figure` with one axis per image.

    Raises:
        ValueError: If `images` are not images, or `num_columns` is not positive.
    """
    images = as_images("images", images)
    if num_columns is None:
        num_columns = math.ceil(math.sqrt(len(images)))
    shapes.check_positive_int(num_columns, "num_columns")
    return draw_grid(images, min(num_columns, len(images)))


def completions(x, samples, truth, num_images=8):
    """Draws one row per input: the observed pixels, several completions, the truth.

    Args:
        x: Array of images, hidden pixels marked by -1. They are drawn in `HIDDEN_COLOR`.
        samples: Array of completed images, `[num_samples, *x.shape]`; mean images look best.
        truth: Array of complete images, of the shape of `x`.
        num_images: Integer, the largest number of inputs drawn; the first ones are taken.

    Returns:
        A `matplotlib.figure.Figure` with the columns "observed", "sample 1", ..., "truth".

    Raises:
        ValueError: If the arrays are not images of these shapes, or `num_images` is not positive.
    """
    shapes.check_positive_int(num_images, "num_images")
    observed = as_images("x", x)
    samples = as_images("samples", samples, axes="num_samples, n", shape=observed.shape)
    truth = as_images("truth", truth, shape=observed.shape)
    hidden = np.reshape(np.asarray(x) == -1, observed.shape).any(axis=-1, keepdims=True)
    observed = np.where(hidden, HIDDEN_COLOR, observed)
    columns = [observed, *samples, truth]
    titles = ["observed", *(f"sample {i + 1}" for i in range(len(samples))), "truth"]
    images = [column[i] for i in range(min(num_images, len(observed))) for column in columns]
    return draw_grid(images, len(columns), column_titles=titles)
