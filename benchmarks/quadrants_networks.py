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
    """From x and z to the logits of the hidden pixels."""

    def __init__(self, hidden, **kwargs):
        super().__init__(**kwargs)
        self.indices = hidden
        self.decoder = networks.conv_decoder(SIZE, (64, 24))
        self.logits = keras.layers.Conv2D(1, 3, padding="same")

    def build(self, input_shape):
        self.decoder.build(input_shape)
        self.logits.build(self.decoder.compute_output_shape(input_shape))

    def call(self, inputs):
        logits = self.logits(self.decoder(inputs))
        return tf.gather(tf.reshape(logits, [-1, SIZE[0] * SIZE[1]]), self.indices, axis=1)

    def compute_output_shape(self, input_shape):
        return (None, len(self.indices))


def encoder():
    """From images to 500 features."""
    return networks.conv_encoder((32, 64, 64), units=(500,))


def hidden_pixels(observed):
    """The places of the hidden pixels in a flattened image."""
    x, _ = datasets.quadrants(tf.zeros([1, *SIZE]), observed)
    return tf.where(tf.reshape(x, [-1]) < 0)[:, 0].numpy().tolist()
