"""Convolutional networks for images of which some quadrants are hidden."""

import keras
import tensorflow as tf

from tfcvae import datasets, networks

SIZE = (28, 28)


@keras.saving.register_keras_serializable("benchmarks")
class CompletedEncoder(keras.Model):
    """From x and the hidden pixels y to features of the whole image and of what is observed."""

    def __init__(self, observed, **kwargs):
        super().__init__(**kwargs)
        self.observed = observed
        self.encoder = encoder()

    def build(self, input_shape):
        self.encoder.build((None, *SIZE, 2))

    def call(self, inputs):
        x, y = inputs
        x = tf.reshape(x, [-1, *SIZE, 1])
        image = datasets.complete(x, tf.cast(y, x.dtype), self.observed)
        return self.encoder(tf.concat([image, x], -1))

    def compute_output_shape(self, input_shape):
        return self.encoder.compute_output_shape((None, *SIZE, 2))


@keras.saving.register_keras_serializable("benchmarks")
class HiddenPixels(keras.Model):
    """From x and z to the logits of the hidden pixels, with skip connections from x.

    The last convolution works at half the resolution and gives four pixels at each place.
    """

    def __init__(self, hidden, **kwargs):
        super().__init__(**kwargs)
        self.indices = hidden
        self.down = [_convolution(32, 2), _convolution(64, 2)]
        self.start = keras.layers.Dense(7 * 7 * 64, "swish", dtype=self.dtype_policy)
        self.joint = _convolution(64)
        self.up = keras.layers.Conv2DTranspose(64, 3, 2, "same", activation="swish")
        self.refine = [_convolution(64), _convolution(64)]
        self.logits = keras.layers.Conv2D(4, 3, padding="same")

    def build(self, input_shape):
        _, z_shape = input_shape
        self.start.build(z_shape)
        layers = [*self.down, self.joint, self.up, *self.refine, self.logits]
        channels = (1, 32, 64 + 64, 64, 64 + 32, 64, 64)
        for layer, number in zip(layers, channels):
            layer.build((None, None, None, number))

    def call(self, inputs):
        x, z = inputs
        fine = self.down[0](tf.reshape(x, [-1, *SIZE, 1]))
        coarse = self.down[1](fine)
        h = tf.reshape(self.start(z), [-1, 7, 7, 64])
        h = self.up(self.joint(tf.concat([h, coarse], -1)))
        h = tf.concat([h, fine], -1)
        for layer in self.refine:
            h = layer(h)
        logits = tf.nn.depth_to_space(self.logits(h), 2)
        return tf.gather(tf.reshape(logits, [-1, SIZE[0] * SIZE[1]]), self.indices, axis=1)

    def compute_output_shape(self, input_shape):
        return (None, len(self.indices))


def _convolution(channels, strides=1):
    return keras.layers.Conv2D(channels, 3, strides, "same", activation="swish")


def encoder():
    """From images to 500 features."""
    return networks.conv_encoder((32, 64, 64), units=(500,), activation="swish")


def hidden_pixels(observed):
    """The places of the hidden pixels in a flattened image."""
    x, _ = datasets.quadrants(tf.zeros([1, *SIZE]), observed)
    return tf.where(tf.reshape(x, [-1]) < 0)[:, 0].numpy().tolist()
