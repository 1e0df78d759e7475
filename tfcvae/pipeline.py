"""Batches of arrays, and data sets that tf.data does not tune."""

import keras
import numpy as np
import tensorflow as tf

KERAS_BATCH_SIZE = 32
OF_KERAS = ("validation_split", "class_weight", "steps_per_epoch")


def untuned(dataset):
    """A dataset that tf.data does not tune while it is iterated.

    The thread that tunes sleeps for twice as long each time, up to a minute, and the end of an
    iteration may wait for it: an epoch can last twice as long as its steps (seen in TensorFlow 2.21
    on two cores, in every third to tenth epoch).
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def batches(x, y=None, sample_weight=None, batch_size=None, shuffle=False):
    """A dataset of batches of NumPy arrays, with what Keras would make of them."""
    with tf.device("CPU"):  # The whole data set would fill a GPU.
        tensors = [
            None if array is None else tf.convert_to_tensor(_in_floatx(array))
            for array in (x, y, sample_weight)
        ]
    indices = tf.data.Dataset.range(len(x))
    if shuffle:
        indices = indices.shuffle(len(x))

    def gather(own):
        batch = [None if tensor is None else tf.gather(tensor, own) for tensor in tensors]
        return keras.utils.pack_x_y_sample_weight(*batch)

    return untuned(indices.batch(batch_size or KERAS_BATCH_SIZE).map(gather).prefetch(2))


def of_fit(x, y, batch_size, arguments):
    """The arguments of `fit` with its arrays as datasets, where that leaves their meaning.

    Args:
        arguments: dict of the other keyword arguments of `fit`, the validation data as a tuple of
            three, a dataset or `None`.

    Returns:
        x, y, batch size and the other arguments.
    """
    arguments = dict(arguments)
    held_out = arguments.get("validation_data")
    if isinstance(held_out, tuple):
        size = arguments.get("validation_batch_size") or batch_size
        arguments["validation_batch_size"] = size
        if are_arrays(*held_out) and not arguments.get("validation_steps"):
            arguments["validation_data"] = batches(*held_out, batch_size=size)
    shuffle, weight = arguments.get("shuffle", True), arguments.get("sample_weight")
    for_keras = not isinstance(shuffle, bool) or any(arguments.get(name) for name in OF_KERAS)
    if are_arrays(x, y, weight) and not for_keras:
        x, y, batch_size = batches(x, y, weight, batch_size, shuffle), None, None
        arguments.update(sample_weight=None, shuffle=False)
    return x, y, batch_size, arguments


def are_arrays(x, *others):
    """Whether x is a NumPy array, and each of the others too or `None`."""
    return isinstance(x, np.ndarray) and all(
        other is None or isinstance(other, np.ndarray) for other in others
    )


def _in_floatx(array):
    is_float = array.dtype.kind == "f"
    return array.astype(keras.config.floatx(), copy=False) if is_float else array
