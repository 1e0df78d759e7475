"""The U-Net for segmentation: a trunk that sees images, and a head that joins vectors to it."""

import math

import keras
import tensorflow as tf

from tfcvae import shapes
from tfcvae.layers.base import keep_frozen
from tfcvae.networks.base import JointDense, Network, as_list


def unet(
    filters=(32, 64, 128),
    head_filters=(32, 32),
    kernel_size=3,
    activation="relu",
    num_classes=None,
):
    """A U-Net from images to feature maps of their size, conditional on vectors such as z.

    The images among its inputs run through the trunk, which halves the resolution between its
    levels and comes back with skip connections. The vectors are broadcast and joined at full
    resolution, and a few 1x1 convolutions follow. So of several samples of z for one image the
    trunk runs once and only those convolutions run for each.

    Args:
        filters: sequence of ints, the channels of each level, from full resolution down.
        head_filters: sequence of ints, the channels of each 1x1 convolution.
        kernel_size: int, of the trunk's convolutions.
        activation: activation of every layer.
        num_classes: int, as in `mlp`.

    Returns:
        A `keras.Model` from images `[batch, height, width, channels]` of any size, or a tuple that
        has such images in it, to feature maps `[*samples, batch, height, width, head_filters[-1]]`.

    Raises:
        ValueError: if no input is an image, images differ in size, or an input is neither an image
            nor a vector.

    Reference:
        Ronneberger et al., U-Net (2015), arXiv:1505.04597; Kohl et al., A Probabilistic U-Net
        (2018), arXiv:1806.05034.
    """
    return UNet(filters, head_filters, kernel_size, activation, num_classes)


@keras.saving.register_keras_serializable("tfcvae")
class UNet(Network):
    """See `unet`. `trunk` and `join` are its two parts: `join(trunk(inputs)[-1], inputs)`."""

    handles_samples = True

    def __init__(
        self,
        filters=(32, 64, 128),
        head_filters=(32, 32),
        kernel_size=3,
        activation="relu",
        num_classes=None,
        **kwargs,
    ):
        super().__init__(num_classes, **kwargs)
        filters = shapes.as_event_shape(filters, "filters")
        head_filters = shapes.as_event_shape(head_filters, "head_filters")
        self._config = {
            "filters": filters,
            "head_filters": head_filters,
            "kernel_size": kernel_size,
            "activation": activation,
        }
        dtype = self.dtype_policy

        def convolution(channels, strides=1):
            return keras.layers.Conv2D(
                channels, kernel_size, strides, "same", activation=activation, dtype=dtype
            )

        self.down = [
            (convolution(n, strides=1 if level == 0 else 2), convolution(n))
            for level, n in enumerate(filters)
        ]
        self.up = [convolution(n) for n in reversed(filters[:-1])]
        self.head = [JointDense(channels, activation, dtype=dtype) for channels in head_filters]

    def build(self, input_shape):
        inputs = self._input_shapes(input_shape)
        images = [shape for shape in inputs if len(shape) == 4]
        known = all(len(shape) in (2, 4) for shape in inputs)
        sized = all(None not in shape[1:] for shape in images)
        if not known or not sized or len({tuple(shape[1:3]) for shape in images}) != 1:
            raise ValueError(
                "The inputs of `unet` must be images [batch, height, width, channels] of the same "
                "known size, at least one, and vectors [batch, size]. "
                f"Received: input_shape={input_shape}"
            )
        filters = self._config["filters"]
        size, channels = images[0][1:3], sum(shape[-1] for shape in images)
        self.map_shapes = []
        for level, (first, second) in enumerate(self.down):
            size = size if level == 0 else tuple(math.ceil(n / 2) for n in size)
            first.build((None, *size, channels))
            channels = filters[level]
            second.build((None, *size, channels))
            self.map_shapes.insert(0, (*size, channels))
        for layer, below, skip in zip(self.up, self.map_shapes, self.map_shapes[1:]):
            layer.build((None, *skip[:2], below[-1] + skip[-1]))
        vectors = [shape for shape in inputs if len(shape) == 2]
        self.head[0].build([(None, filters[0]), *vectors])
        for previous, layer in zip(self.head, self.head[1:]):
            layer.build([(None, previous.units)])
        keep_frozen(self)

    def call(self, inputs):
        return self.join(self.trunk(inputs)[-1], inputs)

    def trunk(self, inputs):
        """The maps of the images alone, coarsest first: `[*samples, batch, *map_shape]` each."""
        images = [x for x, rank in zip(self._inputs(inputs), self._ranks) if rank == 4]
        built = [(None, *x.shape[-3:]) for x in images]
        leading = shapes.leading_axes(images, built)
        if leading:
            images = [shapes.fold(x, 4, leading) for x in images]
        h = tf.concat(images, axis=-1)
        skips = []
        for first, second in self.down:
            h = second(first(h))
            skips.append(h)
        maps = [skips.pop()]
        for layer, skip in zip(self.up, reversed(skips)):
            maps.append(layer(tf.concat([_double(maps[-1], skip.shape[1:3]), skip], axis=-1)))
        return [shapes.unfold(h, leading) for h in maps] if leading else maps

    def join(self, features, inputs):
        """Joins the vectors among the inputs to the trunk's last map."""
        vectors = [x for x, rank in zip(self._inputs(inputs), self._ranks) if rank == 2]
        h = self.head[0]([features, *(x[..., None, None, :] for x in vectors)])
        for layer in self.head[1:]:
            h = layer([h])
        return h

    def compute_output_shape(self, input_shape):
        image = next(shape for shape in as_list(input_shape) if len(shape) == 4)
        return (image[0], *image[1:3], self.head[-1].units)


def _double(maps, size):
    """Repeats every pixel twice in both directions, cropped to a size."""
    repeated = tf.repeat(tf.repeat(maps, 2, axis=1), 2, axis=2)
    return repeated[:, : size[0], : size[1]]
