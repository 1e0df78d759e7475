"""Training steps in a loop that XLA compiles as a whole."""

import itertools

import keras
import tensorflow as tf

STACKED_BYTES = 1 << 28
"""Of the batches that are handed over together."""


def make(model, otherwise):
    """A training function that runs `steps_per_execution` steps as one program of XLA.

    Keras calls a program for each step, and each call hands over all weights and moments: where a
    step takes ten milliseconds, that and Keras's own loop cost nearly two.

    Args:
        model: the compiled model, on one device.
        otherwise: Keras's training function, for iterators of other data than those of tf.data.

    Returns:
        A function from an iterator to the logs of the last of its steps.
    """
    steps = model.steps_per_execution

    @tf.function(jit_compile=True)
    def loop(batches, number):
        def data(i):
            return _map(lambda stacked: tf.gather(stacked, i), batches)

        def step(batch):
            return model.distribute_strategy.run(model.train_step, args=(batch,))

        traced = tf.function(step).get_concrete_function(data(0))
        logs = keras.tree.map_structure(
            lambda spec: tf.zeros(spec.shape, spec.dtype), traced.structured_outputs
        )
        _, logs = tf.while_loop(
            lambda i, _: i < number, lambda i, _: (i + 1, traced(data(i))), (0, logs)
        )
        return logs

    def function(iterator):
        if not isinstance(iterator, tf.data.Iterator):
            return otherwise(iterator)
        left, logs = itertools.islice(iterator, steps), None
        for first in left:
            together = min(steps, max(1, STACKED_BYTES // _size(first)))
            batches = [first, *itertools.islice(left, together - 1)]
            for _, alike in itertools.groupby(batches, key=_shapes):
                alike = list(alike)
                padded = alike + alike[-1:] * (together - len(alike))
                stacked = _map(lambda *tensors: tf.stack(tensors), *padded)
                logs = loop(stacked, tf.constant(len(alike)))
        if logs is None:
            raise StopIteration
        return logs

    return function


def _map(function, *batches):
    """Applies a function to the tensors of batches, and leaves what is missing in them."""
    return keras.tree.map_structure(
        lambda *tensors: None if tensors[0] is None else function(*tensors), *batches
    )


def _tensors(batch):
    return [tensor for tensor in keras.tree.flatten(batch) if tensor is not None]


def _shapes(batch):
    return [tuple(tensor.shape) for tensor in _tensors(batch)]


def _size(batch):
    return sum(tensor.dtype.size * tensor.shape.num_elements() for tensor in _tensors(batch))
