"""Masks of integer classes."""

import numpy as np
import tensorflow as tf

from tfcvae import shapes


def one_hot_masks(masks, num_classes):
    """Turns masks of integer classes into the y of a `layers.OneHotCategorical`.

    Args:
        masks: integer array or tensor `[..., height, width]` or `[..., n, height, width, 1]`, with
            values from 0 to `num_classes - 1`.
        num_classes: int >= 2.

    Returns:
        float32 `[..., height, width, num_classes]`: an array for an array, a tensor for a tensor.
        `argmax` over the last axis undoes it.

    Raises:
        ValueError: if `masks` are not integers, or an array holds a class out of the range.
    """
    shapes.check_positive_int(num_classes, "num_classes")
    symbolic = tf.is_tensor(masks)
    masks = masks if symbolic else np.asarray(masks)
    if not tf.as_dtype(masks.dtype).is_integer or num_classes < 2:
        raise ValueError(
            "Argument `masks` must hold integer classes, of two or more. Received: dtype "
            f"{tf.as_dtype(masks.dtype).name}, num_classes={num_classes}"
        )
    if len(masks.shape) > 3 and masks.shape[-1] == 1:
        masks = masks[..., 0]
    if symbolic:
        return tf.one_hot(masks, num_classes)
    if masks.size and (masks.min() < 0 or masks.max() >= num_classes):
        raise ValueError(
            f"Argument `masks` must hold classes from 0 to {num_classes - 1}. "
            f"Received: classes from {masks.min()} to {masks.max()}"
        )
    return np.eye(num_classes, dtype="float32")[masks]
