"""A model's scores, batch by batch."""

import keras
import numpy as np
import tensorflow as tf

from tfcvae import seeds, shapes
from tfcvae.models import data_checks
from tfcvae.pipeline import untuned


def over_batches(function, model, data, batch_size, seed, verbose=0, name="mean", key=None):
    """Stacks a compiled function of a batch's inputs and a seed of its own over a data set.

    Args:
        function: from a tuple, `(x,)` or `(x, y)`, and a seed to a tensor `[batch, ...]`.
        model: the model that the data must fit.
        data: an array of x, a tuple `(x, y)`, or a batched `tf.data.Dataset` of those.
        batch_size: int, examples evaluated together; a dataset keeps its own batches.
        seed: int or pair of int32.
        verbose: 1 for a progress bar with the mean so far, 0 for none.
        name: str, what the progress bar calls that mean.
        key: hashable, all that the function depends on beside the model; the function is then
            compiled once for each key and model. `None` to compile it anew.

    Returns:
        Array `[num_examples, ...]`.
    """
    shapes.check_positive_int(batch_size, "batch_size")
    dataset = data
    if isinstance(data, tf.data.Dataset):
        shape = data_checks.check_data(model, data)
        if data.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise ValueError(
                "Argument `data` must be finite, such as `dataset.take(steps)`. "
                "Received: a dataset that repeats without end"
            )
    else:
        arrays = data if isinstance(data, tuple) else (data,)
        shape = data_checks.check_data(model, *arrays)
        dataset = untuned(tf.data.Dataset.from_tensor_slices(arrays).batch(batch_size))
    model._ensure_built(shape)
    seed = seeds.as_seed(seed)
    specs = _inputs(dataset.element_spec), tf.TensorSpec.from_tensor(seed)
    compiled = _compiled(function, model, key).get_concrete_function(*specs)
    total = dataset.cardinality().numpy()
    progress = keras.utils.Progbar(total if total > 0 else None, verbose=verbose, unit_name="batch")
    results = []
    for i, batch in enumerate(dataset):
        results.append(compiled(_inputs(batch), seeds.fold_in(seed, i)).numpy())
        progress.update(i + 1, [(name, results[-1].mean())] if verbose else None)
    return np.concatenate(results)


def _compiled(function, model, key):
    """A `tf.function`, that of an earlier call with this key and model."""
    # Not by `setattr`, which would have Keras and TensorFlow track the functions.
    kept = {} if key is None else vars(model).setdefault("_compiled_scores", {})
    if key not in kept:
        kept[key] = tf.function(function, autograph=False)
    return kept[key]


def _inputs(batch):
    """What a model sees of a batch of a dataset, without the weights of its examples."""
    x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
    return (x,) if y is None else (x, y)
