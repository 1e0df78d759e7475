"""Checks of arguments and of the first batch of data, before any work is lost."""

import itertools
import numbers

import keras
import numpy as np
import tensorflow as tf

from tfcvae import pipeline, shapes
from tfcvae.regularizers import KL

METHODS = ("importance", "monte_carlo")
_RESERVED = (
    "loss",
    "elbo",
    "reconstruction",
    "gsnn",
    "hybrid",
    "baseline",
    "importance_bound",
    "multi_scale",
    "baseline_multi_scale",
    "kl_weights",
)


def check_regularizers(regularizers, importance_weighted):
    """Returns the regularizers as a tuple if they are callables with names of their own."""
    if not isinstance(regularizers, (list, tuple)):
        raise ValueError(
            "Argument `regularizers` must be a list of regularizers. "
            f"Received: regularizers={regularizers}"
        )
    regularizers = tuple(regularizers)
    names = [getattr(r, "name", None) for r in regularizers]
    constraints = [r for r in regularizers if hasattr(r, "constrain")]
    valid = all(callable(r) for r in regularizers if r not in constraints)
    valid = valid and all(isinstance(n, str) for n in names)
    if not valid or len(set(names)) < len(names) or set(names) & set(_RESERVED):
        raise ValueError(
            "Argument `regularizers` must be a sequence of callables, each with a `name` of its "
            f"own that is none of {_RESERVED}. Received: regularizers={regularizers}"
        )
    kls = [r for r in regularizers if isinstance(r, KL)]
    plain = all(kl.weight == 1.0 and kl.is_raw for kl in kls) and not constraints
    if importance_weighted and not plain:
        raise ValueError(
            "Argument `importance_weighted=True` leaves no KL term to weigh and no reconstruction "
            "to constrain: `regularizers` may hold a plain `KL()` or none. "
            f"Received: regularizers={regularizers}"
        )
    if constraints and not kls:
        raise ValueError(
            "Argument `regularizers` must hold a `KL()` beside a `GECO`, which minimises it under "
            f"a constraint. Received: regularizers={regularizers}"
        )
    return regularizers


def check_layers(**layers):
    """Raises a `ValueError` unless every argument is a layer that returns a distribution."""
    for name, layer in layers.items():
        if not callable(layer) or not hasattr(layer, "event_shape"):
            raise ValueError(
                f"Argument `{name}` must be a distribution layer, with an `event_shape`. "
                f"Received: {name}={layer}"
            )


def check_same_event_shape(rule="have the same event shape", rank=None, **layers):
    """Raises a `ValueError` unless all layers have one event shape, of `rank` if it is given."""
    check_layers(**layers)
    event_shapes = {name: tuple(layer.event_shape) for name, layer in layers.items()}
    different = len(set(event_shapes.values())) > 1
    if different or any(len(shape) != rank for shape in event_shapes.values() if rank):
        raise ValueError(
            f"Arguments {' and '.join(f'`{name}`' for name in layers)} must {rule}. "
            f"Received: event shapes {event_shapes}"
        )


def check_latent_sizes(**layers):
    """Raises a `ValueError` unless all layers are distributions over vectors of one size."""
    check_same_event_shape("be distributions over latent vectors of the same size", 1, **layers)


def check_alpha(alpha):
    """Returns `alpha` as a float in [0, 1]."""
    if isinstance(alpha, bool) or not isinstance(alpha, numbers.Real) or not 0 <= alpha <= 1:
        raise ValueError(f"Argument `alpha` must be a float in [0, 1]. Received: alpha={alpha}")
    return float(alpha)


def check_num_samples(num_samples):
    """Raises a `ValueError` unless `num_samples` is a positive int or a tensor."""
    if not tf.is_tensor(num_samples):
        shapes.check_positive_int(num_samples, "num_samples")


def check_method(method):
    """Raises a `ValueError` unless `method` names an estimator of the likelihood."""
    if method not in METHODS:
        raise ValueError(f"Argument `method` must be one of {METHODS}. Received: method={method!r}")


def check_event_shape(name, shape, layer):
    """Raises a `ValueError` unless `shape` is a batch of events of the layer."""
    event = tuple(layer.event_shape)
    shape = tuple(shape)
    if len(shape) != 1 + len(event) or any(
        n is not None and n != m for n, m in zip(shape[1:], event)
    ):
        raise ValueError(
            f"Argument `{name}` must have shape {('batch', *event)}, that of the likelihood's "
            f"events. Received: {name} of shape {shape}"
        )


def check_same_length(**arrays):
    """Raises a `ValueError` unless all arrays have the same number of rows."""
    lengths = {name: array.shape[0] for name, array in arrays.items() if array is not None}
    if len(set(lengths.values()) - {None}) > 1:
        raise ValueError(
            f"Arguments {' and '.join(f'`{name}`' for name in lengths)} must have the same number "
            f"of rows. Received: {lengths}"
        )


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


def check_built_shape(name, shape, model):
    """Raises a `ValueError` unless `shape` is a batch of what a built model was built for."""
    if not model.built:
        return
    built = tuple(model.get_build_config()["input_shape"])
    if not tf.TensorShape(shape).is_compatible_with([None, *built[1:]]):
        raise ValueError(
            f"Argument `{name}` must have shape {('batch', *built[1:])}, which the model was built "
            f"for. Received: {name} of shape {tuple(shape)}"
        )


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
            model._check_shapes(x, y, prefix)
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
    if weights.size != x.shape[0] or not np.all(weights >= 0):
        raise ValueError(
            f"Argument `{prefix}sample_weight` must hold one number >= 0 for each row. Received: "
            f"shape {weights.shape} for {x.shape[0]} rows, smallest value {weights.min()}"
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
