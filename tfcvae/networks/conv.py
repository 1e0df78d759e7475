"""Convolutional networks: images to features, and vectors to feature maps."""

import math

import keras
import tensorflow as tf

from tfcvae import shapes
from tfcvae.layers.base import keep_frozen
from tfcvae.networks.base import JointDense, Network, as_list, build_stack

_POOLING = {
    None: keras.layers.Flatten,
    "avg": keras.layers.GlobalAveragePooling2D,
    "max": keras.layers.GlobalMaxPooling2D,
}


def conv_encoder(
    filters=(32, 64), kernel_size=3, units=(), activation="relu", num_classes=None, pooling=None
):
    """A convolutional network from images to features, halving the resolution in each layer.

    Several inputs are joined as channels: images of the same size side by side, vectors and one-hot
    labels repeated over the image.

    Args:
        filters: sequence of ints, the channels of each convolution.
        kernel_size: int.
        units: sequence of ints, the width of each dense layer after the convolutions.
        activation: activation of every layer.
        num_classes: int, as in `mlp`.
        pooling: `None` flattens the last maps, `"avg"` and `"max"` pool each of them over all
            places, for features that do not say where in the image something is.

    Returns:
        A `keras.Model` from images `[batch, height, width, channels]`, or a tuple that has such
        images in it, to features `[batch, size]`.

    Raises:
        ValueError: if no input is an image, images differ in size, or `pooling` is unknown.
    """
    return ConvEncoder(filters, kernel_size, units, activation, num_classes, pooling)


def conv_decoder(image_size, filters=(64, 32), kernel_size=3, activation="relu", num_classes=None):
    """A convolutional network from vectors to feature maps, doubling the resolution in each layer.

    Several inputs are flattened and joined. The result keeps the spatial shape of the image, so a
    distribution layer projects it pixel by pixel.

    Args:
        image_size: pair of ints, height and width; any size, the last maps are cropped to it.
        filters: sequence of ints, the channels of each transposed convolution.
        kernel_size: int.
        activation: activation of every layer.
        num_classes: int, as in `mlp`.

    Returns:
        A `keras.Model` from vectors `[batch, size]`, or a tuple of tensors, to feature maps
        `[batch, height, width, filters[-1]]`.
    """
    return ConvDecoder(image_size, filters, kernel_size, activation, num_classes)


@keras.saving.register_keras_serializable("tfcvae")
class ConvEncoder(Network):
    """See `conv_encoder`."""

    def __init__(
        self,
        filters,
        kernel_size=3,
        units=(),
        activation="relu",
        num_classes=None,
        pooling=None,
        **kwargs,
    ):
        super().__init__(num_classes, **kwargs)
        if pooling not in _POOLING:
            raise ValueError(
                f"Argument `pooling` must be None, 'avg' or 'max'. Received: pooling={pooling!r}"
            )
        filters = shapes.as_event_shape(filters, "filters")
        units = shapes.as_event_shape(units, "units") if units else ()
        self._config = {
            "filters": filters,
            "kernel_size": kernel_size,
            "units": units,
            "activation": activation,
            "pooling": pooling,
        }
        dtype = self.dtype_policy
        convolution = {
            "strides": 2,
            "padding": "same",
            "activation": activation,
            "dtype": dtype,
        }
        self.stack = [
            *(keras.layers.Conv2D(n, kernel_size, **convolution) for n in filters),
            _POOLING[pooling](dtype=dtype),
            *(keras.layers.Dense(n, activation, dtype=dtype) for n in units),
        ]

    def build(self, input_shape):
        inputs = self._input_shapes(input_shape)
        images = [shape for shape in inputs if len(shape) > 2]
        if not images or any(shape[1:3] != images[0][1:3] for shape in images):
            raise ValueError(
                "The inputs of `conv_encoder` must hold an image [batch, height, width, channels], "
                f"and all images the same size. Received: input_shape={input_shape}"
            )
        self._image_size = images[0][1:3]
        channels = sum(1 if len(shape) == 3 else shape[-1] for shape in inputs)
        self._size = build_stack(self.stack, (None, *self._image_size, channels))[-1]
        keep_frozen(self)

    def call(self, inputs):
        h = tf.concat([self._as_channels(x) for x in self._inputs(inputs)], axis=-1)
        for layer in self.stack:
            h = layer(h)
        return h

    def _as_channels(self, x):
        if x.shape.rank == 2:
            rows = tf.shape(x)[0]
            return tf.broadcast_to(x[:, None, None, :], [rows, *self._image_size, x.shape[-1]])
        return x[..., None] if x.shape.rank == 3 else x

    def compute_output_shape(self, input_shape):
        return (as_list(input_shape)[0][0], self._size)


@keras.saving.register_keras_serializable("tfcvae")
class ConvDecoder(Network):
    """See `conv_decoder`."""

    def __init__(
        self, image_size, filters, kernel_size=3, activation="relu", num_classes=None, **kwargs
    ):
        super().__init__(num_classes, **kwargs)
        self.image_size = shapes.as_event_shape(image_size, "image_size")
        filters = shapes.as_event_shape(filters, "filters")
        if len(self.image_size) != 2:
            raise ValueError(
                "Argument `image_size` must be a pair of ints, height and width. "
                f"Received: image_size={image_size}"
            )
        self._config = {
            "image_size": self.image_size,
            "filters": filters,
            "kernel_size": kernel_size,
            "activation": activation,
        }
        scale = 2 ** len(filters)
        self._start = (*(math.ceil(n / scale) for n in self.image_size), filters[0])
        self.dense = JointDense(math.prod(self._start), activation, dtype=self.dtype_policy)
        dtype = self.dtype_policy
        convolution = {
            "strides": 2,
            "padding": "same",
            "activation": activation,
            "dtype": dtype,
        }
        self.stack = [keras.layers.Conv2DTranspose(n, kernel_size, **convolution) for n in filters]

    def build(self, input_shape):
        inputs = self._input_shapes(input_shape)
        self.dense.build([(None, shapes.size(shape[1:])) for shape in inputs])
        build_stack(self.stack, (None, *self._start))
        keep_frozen(self)

    def call(self, inputs):
        h = tf.reshape(self.dense(self._vectors(inputs)), (-1, *self._start))
        for layer in self.stack:
            h = layer(h)
        height, width = self.image_size
        return h[:, :height, :width]

    def compute_output_shape(self, input_shape):
        return (as_list(input_shape)[0][0], *self.image_size, self.stack[-1].filters)
