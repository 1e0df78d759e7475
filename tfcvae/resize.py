"""Images at other resolutions, by the mean over the area that each new pixel covers."""

import math

import numpy as np
import tensorflow as tf


def scaled_size(size, scale):
    """Height and width at a scale, at least 1 each."""
    return tuple(max(1, math.ceil(n * scale)) for n in size)


def area_resize(images, size):
    """Resizes images to the mean over the area of each new pixel, exact for any two sizes.

    A smaller image averages, a larger one repeats. Unlike `tf.image.resize(method="area")` it runs
    under XLA and takes any leading axes.

    Args:
        images: float tensor `[..., height, width, channels]`.
        size: pair of ints, the new height and width.

    Returns:
        Tensor `[..., *size, channels]`.
    """
    if tuple(images.shape[-3:-1]) == tuple(size):
        return images
    rows, columns = (_overlaps(n, m) for n, m in zip(images.shape[-3:-1], size))
    rows = tf.constant(rows, images.dtype)
    columns = tf.constant(columns, images.dtype)
    height_axis = len(images.shape) - 3
    resized = tf.tensordot(images, rows, [[height_axis], [1]])
    resized = tf.tensordot(resized, columns, [[height_axis], [1]])
    leading = range(height_axis)
    return tf.transpose(resized, [*leading, height_axis + 1, height_axis + 2, height_axis])


def _overlaps(old, new):
    """`[new, old]`: the share of each new cell that each old cell covers, on one axis."""
    edges = np.arange(new + 1) * old / new
    cells = np.arange(old)
    covered = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    return np.maximum(covered, 0) * new / old
