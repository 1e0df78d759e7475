"""Distributions of weights.

A posterior or prior function has the signature of those in `tfp.layers`, `(dtype, shape, name,
trainable, add_variable_fn)`, creates its variables by `add_variable_fn`, and returns a function
without arguments that makes the distribution from them. (One made once would get no gradient.)
"""

import math

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfcvae import shapes
from tfcvae.layers.base import positive

tfd = tfp.distributions


@keras.saving.register_keras_serializable("tfcvae")
class MeanFieldNormal:
    """See `default_mean_field_normal_fn`."""

    def __init__(self, is_singular=False, initial_scale=0.05, loc_stddev=0.1):
        self.is_singular = bool(is_singular)
        self.initial_scale = shapes.check_positive(initial_scale, "initial_scale")
        self.loc_stddev = shapes.check_not_negative(loc_stddev, "loc_stddev")

    def __call__(self, dtype, shape, name, trainable, add_variable_fn):
        loc = add_variable_fn(
            name=f"{name}_loc",
            shape=shape,
            initializer=keras.initializers.RandomNormal(stddev=self.loc_stddev),
            dtype=dtype,
            trainable=trainable,
        )
        rank = len(shape)
        if self.is_singular:
            return lambda: tfd.Independent(tfd.Deterministic(tf.convert_to_tensor(loc)), rank)
        raw_scale = add_variable_fn(
            name=f"{name}_raw_scale",
            shape=shape,
            initializer=keras.initializers.Constant(math.log(math.expm1(self.initial_scale))),
            dtype=dtype,
            trainable=trainable,
        )

        def make():
            scale = positive(tf.convert_to_tensor(raw_scale))
            return tfd.Independent(tfd.Normal(tf.convert_to_tensor(loc), scale), rank)

        return make

    def get_config(self):
        return {
            "is_singular": self.is_singular,
            "initial_scale": self.initial_scale,
            "loc_stddev": self.loc_stddev,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def default_mean_field_normal_fn(is_singular=False, initial_scale=0.05, loc_stddev=0.1):
    """A posterior function for independent normal weights.

    Args:
        is_singular: bool; `True` for weights without randomness, the usual choice for the bias.
        initial_scale: float > 0, the standard deviation of every weight at first.
        loc_stddev: float >= 0, the spread of the means at first.
    """
    return MeanFieldNormal(is_singular, initial_scale, loc_stddev)


@keras.saving.register_keras_serializable("tfcvae")
def default_multivariate_normal_fn(dtype, shape, name, trainable, add_variable_fn):
    """The prior function of independent standard normal weights."""

    def make():
        zeros = tf.zeros(shape, dtype)
        return tfd.Independent(tfd.Normal(zeros, tf.ones_like(zeros)), len(shape))

    return make
