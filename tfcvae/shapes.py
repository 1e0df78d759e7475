"""Shapes: validation of arguments, and folding of sample axes into the batch axis."""

import math
import numbers
import operator

import tensorflow as tf


def as_event_shape(event_shape, name="event_shape"):
    """Returns `event_shape`, an int or a sequence of ints, as a tuple of positive ints."""
    values = event_shape if isinstance(event_shape, (tuple, list)) else (event_shape,)
    if not values or not all(is_positive_int(value) for value in values):
        raise ValueError(
            f"Argument `{name}` must be a positive int or a non-empty sequence of them. "
            f"Received: {name}={event_shape}"
        )
    return tuple(int(value) for value in values)


def is_positive_int(value):
    """Whether `value` is an integer of at least 1 (booleans are not)."""
    try:
        return not isinstance(value, bool) and operator.index(value) >= 1
    except TypeError:
        return False


def check_positive_int(value, name):
    """Returns `value` as an int, or raises a `ValueError` that names the argument."""
    if not is_positive_int(value):
        raise ValueError(f"Argument `{name}` must be a positive int. Received: {name}={value}")
    return int(value)


def check_positive(value, name):
    """Returns a finite float > 0, or raises a `ValueError` that names the argument."""
    return _check_real(value, name, "a finite float > 0", lambda x: x > 0)


def check_not_negative(value, name, rule="a finite float >= 0"):
    """Returns a finite float >= 0, or raises a `ValueError` that names the argument."""
    return _check_real(value, name, rule, lambda x: x >= 0)


def check_finite(value, name):
    """Returns a finite float, or raises a `ValueError` that names the argument."""
    return _check_real(value, name, "a finite float", lambda x: True)


def _check_real(value, name, rule, holds):
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not -math.inf < value < math.inf or not holds(value):
        raise ValueError(f"Argument `{name}` must be {rule}. Received: {name}={value}")
    return float(value)


def check_image_size(size, smallest=1):
    """Returns `size` as a pair of ints of at least `smallest`."""
    size = as_event_shape(size, "size")
    if len(size) != 2 or min(size) < smallest:
        raise ValueError(
            f"Argument `size` must be a pair of ints, height and width, at least {smallest} each. "
            f"Received: size={size}"
        )
    return size


def is_shape(nest):
    """Whether this is one shape, and not a sequence of them."""
    return all(n is None or isinstance(n, int) for n in nest)


def size(shape):
    """The number of elements of a static shape."""
    return math.prod(shape)


def dims(tensor):
    """The shape of a tensor as a list: ints where static, scalar tensors elsewhere."""
    dynamic = tf.shape(tensor)
    return [dynamic[i] if n is None else n for i, n in enumerate(tensor.shape)]


def flatten(tensor, event_rank):
    """Joins the last `event_rank` axes into one (a new one of size 1 if `event_rank` is 0)."""
    if event_rank == 1:
        return tensor
    shape = dims(tensor)
    event = shape[len(shape) - event_rank :]
    return tf.reshape(tensor, [*shape[: len(shape) - event_rank], math.prod(event)])


def leading_axes(tensors, built_shapes):
    """The sample axes in front of the batch axis, as `dims` of the input that has most of them.

    Args:
        tensors: list of tensors.
        built_shapes: the shape each tensor has without sample axes, batch axis first.

    Raises:
        ValueError: if a tensor does not end in the dimensions of its shape.
    """
    extra = []
    for tensor, shape in zip(tensors, built_shapes, strict=True):
        extra.append(tensor.shape.rank - len(shape))
        own = tensor.shape[extra[-1] + 1 :]
        if extra[-1] < 0 or not own.is_compatible_with(shape[1:]):
            raise ValueError(
                f"Inputs must have shapes {built_shapes}, with any number of sample axes in front. "
                f"Received: shapes {[tuple(tensor.shape) for tensor in tensors]}"
            )
    return dims(tensors[extra.index(max(extra))])[: max(extra)]


def fold(tensor, rank, leading):
    """Broadcasts a tensor over the sample axes `leading` and joins them with the batch axis."""
    shape = dims(tensor)
    own = shape[len(shape) - rank :]
    if len(shape) - rank < len(leading):
        tensor = tf.broadcast_to(tensor, [*leading, *own])
    return tf.reshape(tensor, [math.prod([*leading, own[0]]), *own[1:]])


def unfold(tensor, leading):
    """Undoes `fold`: gives the sample axes back to a tensor whose first axis holds them."""
    shape = dims(tensor)
    return tf.reshape(tensor, [*leading, shape[0] // math.prod(leading), *shape[1:]])
