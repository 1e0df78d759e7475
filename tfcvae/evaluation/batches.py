"""A model's scores, batch by batch."""

import keras
import numpy as np
import tensorflow as tf

from tfcvae import seeds, shapes
from tfcvae.models import checks


def over_batches(function, model, data, batch_size, seed, verbose=0):
    """Stacks a compiled function of a batch's inputs and a seed of its own over a data set.

    Args:
        function: from a tuple, `(x,)` or `(x, y)`, and a seed to a tensor `[batch, ...]`.
        model: the model that the data must fit.
        data: an array of x, a tuple `(x, y)`, or a batched `tf.data.Dataset` of those.
        batch_size: int, examples evaluated together; a dataset keeps its own batches.
        seed: int or pair of int32.
        verbose: 1 for a progress bar with the mean so far, 0 for none.

    Returns:
        Array `[num_examples, ...]`.
    """
    shapes.check_positive_int(batch_size, "batch_size")
    dataset = data
    if isinstance(data, tf.data.Dataset):
        checks.check_data(model, data)
    else:
        arrays = data if isinstance(data, tuple) else (data,)
        checks.check_data(model, *arrays)
        dataset = tf.data.Dataset.from_tensor_slices(arrays).batch(batch_size)
    compiled = tf.function(function, autograph=False, reduce_retracing=True)
    seed = seeds.as_seed(seed)
    total = dataset.cardinality().numpy()
    progress = keras.utils.Progbar(total if total > 0 else None, verbose=verbose, unit_name="batch")
    results = []
    for i, batch in enumerate(dataset):
        x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
        inputs = (x,) if y is None else (x, y)
        results.append(compiled(inputs, seeds.fold_in(seed, i)).numpy())
        progress.update(i + 1, [("log_prob", results[-1].mean())] if verbose else None)
    return np.concatenate(results)
