"""Masks, and how two of them agree.

Masks are arrays `[..., height, width]`, or `[..., height, width, classes]` with the classes one-hot
in the last axis; one class is a binary mask. Probabilities are read as masks: on from 0.5, or the
likeliest class. The intersection over union (IoU) of several classes is the mean over those that
are in either mask, and that of two masks without any is 1.
"""

import numpy as np


def pixel_accuracy(prediction, target):
    """The share of the pixels whose class is right.

    Args:
        prediction: masks or probabilities `[batch, height, width(, classes)]`.
        target: masks of the same shape.

    Returns:
        float64 array `[batch]`.
    """
    prediction, target = as_pair("prediction", prediction, "target", target, axes=1)
    return np.mean(np.all(prediction == target, axis=-2), axis=-1)


def intersection_over_union(prediction, target):
    """The IoU of each mask with its target: 1 if both are empty, 0 if one of them is.

    That of several classes is the mean over those that are in either mask.

    Args:
        prediction: masks or probabilities `[batch, height, width(, classes)]`.
        target: masks of the same shape.

    Returns:
        float64 array `[batch]`.
    """
    prediction, target = as_pair("prediction", prediction, "target", target, axes=1)
    return masks_iou(prediction[None], target[None])[:, 0, 0]


def pairwise_iou(samples, references):
    """The IoU of every sample with every reference of the same image, as in
    `intersection_over_union`.

    Args:
        samples: masks or probabilities `[num_samples, batch, height, width(, classes)]`.
        references: masks `[num_references, batch, height, width(, classes)]`.

    Returns:
        float64 array `[batch, num_samples, num_references]`.
    """
    return masks_iou(*as_pair("samples", samples, "references", references, axes=2))


def masks_iou(a, b):
    """`[batch, len(a), len(b)]` of masks `[num, batch, classes, pixels]`."""
    a, b = (np.moveaxis(masks, 0, 2).astype("float32") for masks in (a, b))
    shared = (a @ b.swapaxes(-1, -2)).astype("float64")
    union = (
        a.sum(-1, dtype="float64")[..., None] + b.sum(-1, dtype="float64")[..., None, :] - shared
    )
    ratio = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    present = np.sum(union > 0, axis=1)
    return np.where(present > 0, ratio.sum(1) / np.maximum(present, 1), 1.0)


def as_masks(name, values, axes):
    """Boolean masks `[*axes, classes, pixels]`; a binary mask has one class."""
    values = np.asarray(values)
    if values.ndim not in (axes + 2, axes + 3) or 0 in values.shape:
        leading = ("num", "batch")[-axes:]
        raise ValueError(
            f"Argument `{name}` must have shape [{', '.join(leading)}, height, width] or "
            f"[{', '.join(leading)}, height, width, classes]. Received: shape {values.shape}"
        )
    if not np.all((values >= 0) & (values <= 1)):
        raise ValueError(
            f"Argument `{name}` must hold masks or probabilities, in [0, 1]; masks of integer "
            "classes become one-hot by `datasets.one_hot_masks`. Received: values from "
            f"{values.min()} to {values.max()}"
        )
    values = values if values.ndim == axes + 3 else values[..., None]
    classes = values.shape[-1]
    if classes == 1:
        masks = values >= 0.5
    else:
        masks = np.argmax(values, axis=-1)[..., None] == np.arange(classes)
    return np.moveaxis(masks.reshape(*values.shape[:axes], -1, classes), -1, -2)


def as_pair(first_name, first, second_name, second, axes):
    first, second = np.asarray(first), np.asarray(second)
    shift = axes - 1
    if first.shape[shift:] != second.shape[shift:]:
        raise ValueError(
            f"Arguments `{first_name}` and `{second_name}` must hold masks of the same images, of "
            f"one shape. Received: shapes {first.shape} and {second.shape}"
        )
    return as_masks(first_name, first, axes), as_masks(second_name, second, axes)
