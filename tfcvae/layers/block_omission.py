"""Structured input noise."""

import numbers

import keras
import tensorflow as tf

from tfcvae import replicas, seeds


@keras.saving.register_keras_serializable("tfcvae")
class BlockOmission(keras.layers.Layer):
    """Sets one square of each image to 0 in training: a task that is harder than the test.

    The side of the square is uniform between 0 and `max_fraction` of the image's shorter side, and
    its place is uniform over the places inside the image. Each image of a batch has its own.

    It stands in front of a network (`keras.Sequential([layers.BlockOmission(), network])`, or with
    several inputs `networks.preprocessed(layers.BlockOmission(), network)`), or in a pipeline,
    where all parts of a model see the same noise:

    ```python
    omission = layers.BlockOmission()
    pairs = datasets.stream(
        (x, y), 100, transform=lambda x, y, seed: (omission(x, training=True, seed=seed), y)
    )
    ```

    Args:
        max_fraction: float in (0, 1].
        seed: int, the base of its noise; by default from `keras.utils.set_random_seed`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        images: `[batch, height, width]` or `[batch, height, width, channels]`.
        training: bool; `False` leaves the images as they are.
        seed: int, int32 pair, or `None` for the next draw of the layer's own noise.

    Output shape:
        That of the images.

    Raises:
        ValueError: if `max_fraction` is out of its range, or the inputs are not images.

    Reference:
        Sohn, Lee and Yan, Learning Structured Output Representation using Deep Conditional
        Generative Models (NIPS 2015).
    """

    def __init__(self, max_fraction=0.4, seed=None, **kwargs):
        super().__init__(**kwargs)
        real = isinstance(max_fraction, numbers.Real) and not isinstance(max_fraction, bool)
        if not real or not 0 < max_fraction <= 1:
            raise ValueError(
                "Argument `max_fraction` must be a float in (0, 1]. "
                f"Received: max_fraction={max_fraction}"
            )
        self.max_fraction = float(max_fraction)
        self.seed = seeds.base_seed(seed)
        self._generator = keras.random.SeedGenerator(self.seed)

    def build(self, input_shape):
        if len(input_shape) not in (3, 4) or None in input_shape[1:3]:
            raise ValueError(
                "The inputs of `BlockOmission` must be images [batch, height, width] or [batch, "
                f"height, width, channels]. Received: input_shape={input_shape}"
            )

    def call(self, images, training=None, seed=None):
        if not training:
            return images
        if seed is None:
            seed = replicas.own_seed(seeds.next_seed(self._generator))
        height, width = images.shape[1:3]
        size_seed, place_seed = seeds.split(seeds.as_seed(seed))
        rows = tf.shape(images)[0]
        side = tf.random.stateless_uniform([rows, 1], size_seed) * self.max_fraction
        side = tf.round(side * min(height, width))
        place = tf.random.stateless_uniform([2, rows, 1], place_seed)
        inside_row = _inside(height, side, place[0])[:, :, None]
        inside_column = _inside(width, side, place[1])[:, None, :]
        kept = tf.cast(~(inside_row & inside_column), images.dtype)
        return images * (kept if images.shape.rank == 3 else kept[..., None])

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "max_fraction": self.max_fraction, "seed": self.seed}


def _inside(length, side, place):
    """`[rows, length]`: which pixels each row's interval covers, placed by a number in [0, 1)."""
    start = tf.floor(place * (length - side + 1))
    pixels = tf.range(length, dtype=side.dtype)
    return (pixels >= start) & (pixels < start + side)
