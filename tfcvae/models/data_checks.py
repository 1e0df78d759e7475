"""Checks of the first batch of data, before any work is lost."""

import itertools

import keras
import numpy as np
import tensorflow as tf

from tfcvae import pipeline, shapes
from tfcvae.models.checks import check_same_length


def check_values(name, values, layer=None):
    """Raises a `ValueError` for NaN, for unscaled images and for data out of the support."""
    values = np.asarray(values)
    if values.size == 0:
        raise ValueError(f"Argument `{name}` must not be empty. Received: shape {values.shape}")
    is_real = np.issubdtype(values.dtype, np.number) and not np.iscomplexobj(values)
    if not (is_real or values.dtype == bool):
        raise ValueError(f"Argument `{name}` must hold real numbers. Received: {values.dtype}")
    if not np.all(np.isfinite(values)):
        raise ValueError(f"Argument `{name}` must be finite. Received: NaN or infinite values")
    integers = np.issubdtype(values.dtype, np.integer)
    images = integers and (values.ndim > 2 or (values.ndim > 1 and values.dtype == np.uint8))
    if images and values.max() > 1 and not getattr(layer, "takes_integers", False):
        raise ValueError(
            f"Argument `{name}` must hold images scaled to floats, such as "
            f"`images.astype('float32') / 255`. Received: dtype {values.dtype} with values up to "
            f"{values.max()}"
        )
    if hasattr(layer, "check_support"):
        layer.check_support(values, name)


def check_labels(name, values, *layers):
    """Raises a `ValueError` unless integer labels `[batch]` are classes of the layers' networks."""
    values = np.asarray(values)
    sizes = {getattr(getattr(layer, "network", None), "num_classes", None) for layer in layers}
    for num_classes in sizes - {None} if values.ndim == 1 else ():
        if values.min() < 0 or values.max() >= num_classes:
            raise ValueError(
                f"Argument `{name}` must hold labels from 0 to {num_classes - 1}, since a network "
                f"has `num_classes={num_classes}`. Received: labels from {values.min()} to "
                f"{values.max()}"
            )


def check_data(model, x, y=None, sample_weight=None, batch_size=None, prefix=""):
    """Checks the first batch of what `fit` or `evaluate` received.

    Arrays, finite datasets and `PyDataset`s have their values checked; of infinite datasets and of
    those of unknown length only the shapes are, and generators are left as they are.

    Returns:
        The shape of a batch of x, or `None` if it is not known.
    """
    if x is None:
        raise ValueError(f"Argument `{prefix}x` is required. Received: {prefix}x=None")
    if batch_size is not None:
        shapes.check_positive_int(batch_size, "batch_size")
    for name, value in ((f"{prefix}x", x), (f"{prefix}y", y)):
        is_array = hasattr(value, "shape") or value is None
        if isinstance(value, (list, tuple, dict, str)) or not (
            is_array or hasattr(value, "__iter__")
        ):
            raise ValueError(
                f"Argument `{name}` must be one array, tensor or dataset. Received: a "
                f"{type(value).__name__}, {name}={value!r:.80}"
            )
    if isinstance(x, tf.data.Dataset):
        if x.cardinality() == 0:
            raise ValueError(f"Argument `{prefix}x` must not be empty. Received: an empty dataset")
        if x.cardinality() < 0:
            x, y, _ = keras.utils.unpack_x_y_sample_weight(x.element_spec)
            model._check_shapes(x, None if isinstance(y, tf.NoneTensorSpec) else y, prefix)
            return x.shape
        batch = next(iter(x.take(1)))
    elif isinstance(x, keras.utils.PyDataset):
        if not len(x):
            raise ValueError(f"Argument `{prefix}x` must not be empty. Received: an empty dataset")
        batch = x[0]
    elif hasattr(x, "shape"):
        check_same_length(
            **{f"{prefix}x": x, f"{prefix}y": y, f"{prefix}sample_weight": sample_weight}
        )
        first = slice(batch_size or pipeline.KERAS_BATCH_SIZE)
        batch = tuple(None if a is None else a[first] for a in (x, y, sample_weight))
    else:
        return None
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
    model._check_batch(x, y, prefix)
    check_sample_weight(sample_weight, x, prefix)
    return x.shape


def check_sample_weight(sample_weight, x, prefix):
    """Raises a `ValueError` unless there is one weight >= 0 for each row, or none at all."""
    if sample_weight is None:
        return
    weights = np.asarray(sample_weight)
    numbers = weights.dtype.kind in "buif"
    if weights.size != x.shape[0] or not numbers or not np.all(weights >= 0):
        smallest = f"smallest value {weights.min()}" if numbers and weights.size else "no numbers"
        raise ValueError(
            f"Argument `{prefix}sample_weight` must hold one number >= 0 for each row. Received: "
            f"shape {weights.shape} for {x.shape[0]} rows, {smallest}"
        )


def check_validation_data(model, validation_data, batch_size):
    """Checks the first batch of `validation_data`: a tuple of arrays, or a dataset.

    Returns:
        The data as `fit` takes them, a weighted x without y with a y that Keras does not drop.
    """
    if validation_data is None:
        return None
    if not isinstance(validation_data, (tuple, list)):
        check_data(model, validation_data, batch_size=batch_size, prefix="validation ")
        return validation_data
    padded = itertools.islice(itertools.chain(validation_data, itertools.repeat(None)), 3)
    x, y, sample_weight = padded
    check_data(model, x, y, sample_weight, batch_size, "validation ")
    return x, weighted_target(x, y, sample_weight), sample_weight


def weighted_target(x, y, sample_weight):
    """The y that `fit` needs: Keras drops the weights of arrays without one."""
    return x if y is None and sample_weight is not None else y
