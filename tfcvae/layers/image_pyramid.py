"""Inputs at several resolutions."""

import keras
import tensorflow as tf

from tfcvae.layers.multi_scale import check_floats
from tfcvae.resize import area_resize, scaled_size


@keras.saving.register_keras_serializable("tfcvae")
class ImagePyramid(keras.layers.Layer):
    """An image at several resolutions, each brought back to full size, side by side as channels.

    It stands in front of a network, so that its first layer sees a wide neighbourhood at once:
    `keras.Sequential([layers.ImagePyramid(), network])`, or with several inputs
    `networks.preprocessed(layers.ImagePyramid(), network)`.

    Args:
        scales: sequence of floats in (0, 1].
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        `[batch, height, width, channels]`.

    Output shape:
        `[batch, height, width, len(scales) * channels]`.

    Raises:
        ValueError: if `scales` is not such a sequence, or the inputs are not images.
    """

    def __init__(self, scales=(0.25, 0.5, 1.0), **kwargs):
        super().__init__(**kwargs)
        self.scales = check_floats("scales", scales, lambda scale: 0 < scale <= 1, "in (0, 1]")

    def build(self, input_shape):
        if len(input_shape) != 4 or None in input_shape[1:3]:
            raise ValueError(
                "The inputs of `ImagePyramid` must be images [batch, height, width, channels] of "
                f"known height and width. Received: input_shape={input_shape}"
            )

    def call(self, images):
        images = tf.cast(images, self.compute_dtype)
        size = tuple(images.shape[1:3])
        coarse = [area_resize(images, scaled_size(size, scale)) for scale in self.scales]
        return tf.concat([area_resize(level, size) for level in coarse], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], len(self.scales) * input_shape[-1])
