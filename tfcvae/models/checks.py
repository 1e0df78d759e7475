"""Checks of arguments and shapes, before any work is lost."""

import numbers

import tensorflow as tf

from tfcvae import shapes
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
    if len(constraints) > 1:
        raise ValueError(
            "Argument `regularizers` must hold one `GECO` at most, which constrains the one "
            f"reconstruction term. Received: regularizers={regularizers}"
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


def check_alpha(alpha, importance_weighted, regularizers=()):
    """Returns `alpha` as a float in [0, 1] that leaves the terms which the rest needs."""
    if isinstance(alpha, bool) or not isinstance(alpha, numbers.Real) or not 0 <= alpha <= 1:
        raise ValueError(f"Argument `alpha` must be a float in [0, 1]. Received: alpha={alpha}")
    if importance_weighted and alpha == 0:
        raise ValueError(
            "Argument `importance_weighted=True` needs a recognition network, which `alpha=0` "
            f"leaves out. Received: alpha={alpha}"
        )
    if alpha == 0 and any(hasattr(r, "constrain") for r in regularizers):
        raise ValueError(
            "Argument `regularizers` holds a `GECO`, which constrains the reconstruction term that "
            f"`alpha=0` leaves out. Received: alpha={alpha}"
        )
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
