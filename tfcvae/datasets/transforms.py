"""Transforms of images, for NumPy arrays and tensors alike, and streams of batches."""

import math

import numpy as np
import tensorflow as tf

from tfcvae import pipeline, seeds, shapes

_METHODS = ("sample", "threshold")


def binarize(images, method="sample", seed=0):
    """Makes grey images binary.

    Args:
        images: Array or tensor with values in [0, 1], of any shape.
        method: `"sample"` sets every pixel to 1 with its own value as the probability;
            `"threshold"` sets the pixels from 0.5 up to 1.
        seed: Seed of the draw: an int or, for a tensor, an int32 pair also (an int `s` then
            means `(0, s)`).

    Returns:
        Zeros and ones, float32, of the shape of `images`: an array for an array, a tensor for a
        tensor.

    Raises:
        ValueError: If `method` is unknown, or an array has values outside [0, 1].

    Reference:
        [Salakhutdinov and Murray, 2008](https://doi.org/10.1145/1390156.1390266)
    """
    if method not in _METHODS:
        raise ValueError(
            f"Argument `method` must be one of {_METHODS}. Received: method={method!r}"
        )
    if tf.is_tensor(images):
        images = tf.cast(images, tf.float32)
        if method == "threshold":
            return tf.cast(images >= 0.5, tf.float32)
        uniform = tf.random.stateless_uniform(tf.shape(images), seeds.as_seed(seed))
        return tf.cast(uniform < images, tf.float32)
    images = np.asarray(images)
    if not np.all((images >= 0) & (images <= 1)):
        raise ValueError(
            "Argument `images` must have values in [0, 1]. "
            f"Received: values from {images.min()} to {images.max()}"
        )
    if method == "threshold":
        return (images >= 0.5).astype(np.float32)
    uniform = np.random.default_rng(seed).random(images.shape, np.float32)
    return (uniform < images).astype(np.float32)


def quadrants(images, observed=1):
    """Splits images into an observed part and the hidden pixels to predict from it.

    Args:
        images: Floating-point array or tensor, `[n, h, w]` or `[n, h, w, c]`, `h` and `w` even.
        observed: Number of observed quadrants. 1: the bottom left one; 2: the left half; 3: all
            but the bottom right one.

    Returns:
        `(x, y)`, arrays for an array and tensors for a tensor: `x` is `images` with the hidden
        pixels set to -1; `y`, `[n, hidden]`, has the hidden pixels in row-major order.

    Raises:
        ValueError: If `observed` is not 1, 2 or 3, or `images` has another rank, an odd height
            or width, or integer values.

    Reference:
        [Sohn, Lee and Yan, 2015](https://papers.nips.cc/paper/5775)
    """
    if not tf.is_tensor(images):
        images = np.asarray(images)
    if not tf.as_dtype(images.dtype).is_floating:
        raise ValueError(
            "Argument `images` must be floating point. "
            f"Received: images of dtype {tf.as_dtype(images.dtype).name}"
        )
    hidden = _hidden_mask("images", images.shape, observed)
    indices = np.flatnonzero(hidden)
    if tf.is_tensor(images):
        x = tf.where(hidden, tf.constant(-1, images.dtype), images)
        return x, tf.gather(tf.reshape(images, [-1, hidden.size]), indices, axis=1)
    x = np.where(hidden, images.dtype.type(-1), images)
    return x, images.reshape(-1, hidden.size)[:, indices]


def complete(x, y, observed):
    """Puts hidden pixels back into images; the inverse of `quadrants`.

    Args:
        x: Array or tensor, `[n, h, w]` or `[n, h, w, c]`: images whose hidden pixels do not
            matter.
        y: Array or tensor, `[..., n, hidden]`: hidden pixels in row-major order, with any
            leading axes, as of samples.
        observed: Number of observed quadrants, as in `quadrants`.

    Returns:
        Images of the shape `[..., n, h, w]` or `[..., n, h, w, c]` and the dtype of `x`: a tensor
        if `x` or `y` is one, else an array.

    Raises:
        ValueError: If `observed` is not 1, 2 or 3, `x` has another rank or an odd height or
            width, or `y` does not have one row per image and one column per hidden pixel.
    """
    symbolic = tf.is_tensor(x) or tf.is_tensor(y)
    x, y = (tf.convert_to_tensor(a) if symbolic else np.asarray(a) for a in (x, y))
    mask = _hidden_mask("x", x.shape, observed)
    hidden = mask.ravel()
    if not tf.TensorShape(y.shape[-2:]).is_compatible_with([x.shape[0], hidden.sum()]):
        raise ValueError(
            f"Argument `y` must have the shape [..., {x.shape[0]}, {hidden.sum()}] for `x` of "
            f"shape {tuple(x.shape)} and observed={observed}. "
            f"Received: y of shape {tuple(y.shape)}"
        )
    column = np.maximum(np.cumsum(hidden) - 1, 0)
    if symbolic:
        flat = tf.reshape(x, [-1, hidden.size])
        images = tf.where(hidden, tf.gather(tf.cast(y, x.dtype), column, axis=-1), flat)
        return tf.reshape(images, tf.concat([tf.shape(images)[:-1], mask.shape], axis=0))
    images = np.where(hidden, y.astype(x.dtype)[..., column], x.reshape(-1, hidden.size))
    return images.reshape(images.shape[:-1] + mask.shape)


def stream(arrays, batch_size, seed=0, transform=None, initial_epoch=0):
    """Makes an endless dataset of shuffled batches that is a pure function of the seed.

    Epoch `e` goes once through all rows, in an order that depends on `(seed, e)` alone. So a
    stream from `initial_epoch=k` continues exactly what a stream from 0 gives after `k` epochs,
    and an interrupted training resumes as if it had not been:

    ```python
    data = stream(images, 200, transform=lambda x, seed: binarize(x, seed=seed), initial_epoch=k)
    model.fit(data, steps_per_epoch=math.ceil(len(images) / 200), initial_epoch=k, epochs=20)
    ```

    Args:
        arrays: Array or tensor, or a tuple of them, all with the same number of rows.
        batch_size: Rows per batch. The last batch of an epoch has what remains.
        seed: An int `s`, meaning `(0, s)`, or an int32 pair.
        transform: Function called as `transform(*batch, seed=...)`, that returns what the
            dataset yields. Its `seed` is an int32 pair of the batch's own, different in every
            epoch.
        initial_epoch: Epoch to start from.

    Returns:
        An infinite `tf.data.Dataset` of batches with the structure of `arrays`, or of what
        `transform` returns.

    Raises:
        ValueError: If `arrays` have no rows or different numbers of them, `batch_size` is not a
            positive int, `initial_epoch` is below 0, or `seed` is not a seed.
    """
    batch_size = shapes.check_positive_int(batch_size, "batch_size")
    if initial_epoch < 0:
        raise ValueError(
            f"Argument `initial_epoch` must be at least 0. Received: initial_epoch={initial_epoch}"
        )
    several = isinstance(arrays, (tuple, list))
    with tf.device("CPU"):
        tensors = tuple(map(tf.convert_to_tensor, arrays if several else (arrays,)))
    lengths = [tensor.shape[0] if tensor.shape.rank else 0 for tensor in tensors]
    if not lengths or min(lengths) == 0 or len(set(lengths)) > 1:
        raise ValueError(
            "Argument `arrays` must have rows, and all the same number of them. "
            f"Received: shapes {[tuple(tensor.shape) for tensor in tensors]}"
        )
    rows = lengths[0]
    steps = math.ceil(rows / batch_size)
    stream_seed = seeds.as_seed(seed)

    def batches_of(epoch):
        order_seed, batch_seed = seeds.split(seeds.fold_in(stream_seed, epoch))
        order = tf.random.experimental.stateless_shuffle(tf.range(rows), seed=order_seed)

        def batch_of(step):
            start = step * batch_size
            return order[start : start + batch_size], seeds.fold_in(batch_seed, step)

        return tf.data.Dataset.range(steps).map(batch_of)

    def gather(indices, batch_seed):
        if rows % batch_size == 0:
            indices = tf.ensure_shape(indices, [batch_size])
        batch = tuple(tf.gather(tensor, indices) for tensor in tensors)
        if transform is not None:
            return transform(*batch, seed=batch_seed)
        return batch if several else batch[0]

    data = (
        tf.data.Dataset.range(initial_epoch, tf.int64.max)
        .flat_map(batches_of)
        .map(gather, num_parallel_calls=tf.data.AUTOTUNE)
        .apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
        .prefetch(2)
    )
    return pipeline.untuned(data)


def _hidden_mask(name, shape, observed):
    """Which pixels of one image, `[h, w]` or `[h, w, c]`, are hidden."""
    if observed not in (1, 2, 3):
        raise ValueError(f"Argument `observed` must be 1, 2 or 3. Received: observed={observed!r}")
    shape = tf.TensorShape(shape)
    if shape.rank not in (3, 4) or None in shape[1:] or shape[1] % 2 or shape[2] % 2:
        raise ValueError(
            f"Argument `{name}` must have the shape [n, h, w] or [n, h, w, c] with even h and w. "
            f"Received: {name} of shape {shape}"
        )
    mask = np.ones(shape[1:], bool)
    half_height, half_width = shape[1] // 2, shape[2] // 2
    mask[half_height:, :half_width] = False
    if observed >= 2:
        mask[:half_height, :half_width] = False
    if observed == 3:
        mask[:half_height, half_width:] = False
    return mask
