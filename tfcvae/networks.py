"""Networks for distribution layers: functions that return a `keras.Model`.

Any Keras layer or model serves as well; these accept one input or a tuple of several.
"""

import math

import keras
import tensorflow as tf

from tfcvae import shapes
from tfcvae.layers.base import keep_frozen


def mlp(units, activation="relu", num_classes=None):
    """A multilayer perceptron that flattens its inputs and joins them.

    Its first layer sums a linear map of each input, so that with samples of z for one x the part of
    x is computed once.

    Args:
        units: sequence of ints, the width of each layer.
        activation: activation of every layer.
        num_classes: int, the number of classes of integer labels `[batch]` among the inputs, which
            become one-hot; `None` if there are none.

    Returns:
        A `keras.Model` from a tensor or a tuple of tensors to `[*samples, batch, units[-1]]`.

    Raises:
        ValueError: if `units` is empty or `num_classes` is not a positive int.
    """
    return MLP(units, activation, num_classes)


def conv_encoder(filters=(32, 64), kernel_size=3, units=(), activation="relu", num_classes=None):
    """A convolutional network from images to features, halving the resolution in each layer.

    Several inputs are joined as channels: images of the same size side by side, vectors and one-hot
    labels repeated over the image.

    Args:
        filters: sequence of ints, the channels of each convolution.
        kernel_size: int.
        units: sequence of ints, the width of each dense layer after the convolutions.
        activation: activation of every layer.
        num_classes: int, as in `mlp`.

    Returns:
        A `keras.Model` from images `[batch, height, width, channels]`, or a tuple that has such
        images in it, to features `[batch, size]`.

    Raises:
        ValueError: if no input is an image, or images differ in size.
    """
    return ConvEncoder(filters, kernel_size, units, activation, num_classes)


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


def _check_num_classes(num_classes):
    return None if num_classes is None else shapes.check_positive_int(num_classes, "num_classes")


def _list(nest):
    """A list of tensors, or of shapes, from one or a sequence of several."""
    single = hasattr(nest, "dtype") or all(n is None or isinstance(n, int) for n in nest)
    return [nest] if single else list(nest)


class _Network(keras.Model):
    """Common to the networks here: labels become one-hot, the constructor is the configuration."""

    def __init__(self, num_classes, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = _check_num_classes(num_classes)

    def _input_shapes(self, input_shape):
        """The shape of each input, labels counted as one-hot vectors."""
        result = []
        for shape in _list(input_shape):
            if len(shape) == 1 and self.num_classes is None:
                raise ValueError(
                    f"Inputs of shape [batch] are labels, for which `{self.name}` must be given "
                    f"`num_classes`. Received: input_shape={input_shape}, num_classes=None"
                )
            result.append((None, self.num_classes) if len(shape) == 1 else tuple(shape))
        self._labels = tuple(len(shape) == 1 for shape in _list(input_shape))
        return result

    def _inputs(self, inputs):
        """The inputs as a list of float tensors, labels as one-hot vectors."""
        result = []
        for x, are_labels in zip(_list(inputs), self._labels):
            if are_labels:
                x = tf.one_hot(tf.cast(x, "int32"), self.num_classes)
            result.append(tf.cast(x, self.compute_dtype))
        return result

    def get_config(self):
        return {**super().get_config(), **self._config, "num_classes": self.num_classes}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable("tfcvae")
class JointDense(keras.layers.Layer):
    """A `Dense` layer over the concatenation of several vectors, which may differ in sample axes.

    Args:
        units: int.
        activation: activation function.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        List of tensors `[*samples, batch, size]`.

    Output shape:
        `[*samples, batch, units]`.
    """

    def __init__(self, units, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        self._sizes = tuple(shape[-1] for shape in input_shape)
        self.kernel = self.add_weight(shape=(sum(self._sizes), self.units), name="kernel")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")

    def call(self, inputs):
        kernels = tf.split(tf.convert_to_tensor(self.kernel), self._sizes)
        terms = [tf.tensordot(x, kernel, axes=1) for x, kernel in zip(inputs, kernels)]
        return self.activation(sum(terms[1:], start=terms[0]) + self.bias)

    def get_config(self):
        activation = keras.activations.serialize(self.activation)
        return {**super().get_config(), "units": self.units, "activation": activation}


@keras.saving.register_keras_serializable("tfcvae")
class MLP(_Network):
    """See `mlp`."""

    handles_samples = True

    def __init__(self, units, activation="relu", num_classes=None, **kwargs):
        super().__init__(num_classes, **kwargs)
        units = shapes.as_event_shape(units, "units")
        self._config = {"units": units, "activation": activation}
        self.dense = [
            JointDense(units[0], activation, dtype=self.dtype_policy),
            *(keras.layers.Dense(n, activation, dtype=self.dtype_policy) for n in units[1:]),
        ]

    def build(self, input_shape):
        sizes = self._input_shapes(input_shape)
        self._ranks = tuple(len(shape) for shape in sizes)
        self.dense[0].build([(None, shapes.size(shape[1:])) for shape in sizes])
        for previous, layer in zip(self.dense, self.dense[1:]):
            layer.build((None, previous.units))
        keep_frozen(self)

    def call(self, inputs):
        tensors = [shapes.flatten(x, r - 1) for x, r in zip(self._inputs(inputs), self._ranks)]
        h = self.dense[0](tensors)
        for layer in self.dense[1:]:
            h = layer(h)
        return h

    def compute_output_shape(self, input_shape):
        return (_list(input_shape)[0][0], self.dense[-1].units)


@keras.saving.register_keras_serializable("tfcvae")
class ConvEncoder(_Network):
    """See `conv_encoder`."""

    def __init__(self, filters, kernel_size=3, units=(), activation="relu", num_classes=None, **kw):
        super().__init__(num_classes, **kw)
        filters = shapes.as_event_shape(filters, "filters")
        units = shapes.as_event_shape(units, "units") if units else ()
        self._config = {
            "filters": filters,
            "kernel_size": kernel_size,
            "units": units,
            "activation": activation,
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
            keras.layers.Flatten(dtype=dtype),
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
        shape = (None, *self._image_size, channels)
        for layer in self.stack:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        self._size = shape[-1]
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
        return (_list(input_shape)[0][0], self._size)


@keras.saving.register_keras_serializable("tfcvae")
class ConvDecoder(_Network):
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
        self._ranks = tuple(len(shape) for shape in inputs)
        self.dense.build([(None, shapes.size(shape[1:])) for shape in inputs])
        shape = (None, *self._start)
        for layer in self.stack:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        keep_frozen(self)

    def call(self, inputs):
        tensors = [shapes.flatten(x, r - 1) for x, r in zip(self._inputs(inputs), self._ranks)]
        h = tf.reshape(self.dense(tensors), (-1, *self._start))
        for layer in self.stack:
            h = layer(h)
        height, width = self.image_size
        return h[:, :height, :width]

    def compute_output_shape(self, input_shape):
        return (_list(input_shape)[0][0], *self.image_size, self.stack[-1].filters)
