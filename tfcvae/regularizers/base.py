"""What all regularizers share."""

import abc

import keras
import tensorflow as tf

from tfcvae import shapes


def weighted_mean(values, sample_weight=None):
    """The mean of values `[..., batch]` over the batch, each row scaled by its weight.

    As in Keras, the sum is divided by the number of rows and not by the sum of the weights. No rows
    give 0.
    """
    if sample_weight is not None:
        values = values * tf.cast(sample_weight, values.dtype)
    rows = tf.cast(tf.maximum(tf.shape(values)[-1], 1), values.dtype)
    return tf.reduce_sum(values, -1) / rows


class Regularizer(abc.ABC):
    """A weighted term of the loss, of the posterior, the prior and z.

    A subclass implements `penalty`. Any callable with the arguments of `__call__`, that returns a
    scalar and has a `name`, serves as a regularizer too.

    Args:
        weight: float >= 0, or a `keras.optimizers.schedules.LearningRateSchedule` of the training
            step.
        name: str, the name under which the unweighted term is logged.

    Raises:
        ValueError: if `weight` is neither.
    """

    def __init__(self, weight=1.0, name=None):
        self.weight = check_number_or_schedule(weight, "weight")
        self.name = name

    @abc.abstractmethod
    def penalty(self, posterior, prior, z, *, step, seed, sample_weight=None):
        """Returns the unweighted scalar; arguments as in `__call__`."""

    def weight_at(self, step, dtype="float32"):
        """The weight at a training step."""
        return number_at(self.weight, step, dtype)

    def __call__(self, posterior, prior, z, *, step, seed, sample_weight=None):
        """Returns the weighted scalar, averaged over the batch.

        Args:
            posterior: distribution q, batch shape `[batch]`.
            prior: distribution p, batch shape `[]` or `[batch]`.
            z: draws of the posterior, `[num_samples, batch, event_size]`.
            step: int scalar, the training step.
            seed: int32 pair.
            sample_weight: `[batch]` or `None`.
        """
        penalty = self.penalty(
            posterior, prior, z, step=step, seed=seed, sample_weight=sample_weight
        )
        return self.weight_at(step, penalty.dtype) * penalty

    def get_config(self):
        """The arguments of the constructor, as for Keras layers."""
        return {"weight": serialize_number(self.weight), "name": self.name}

    @classmethod
    def from_config(cls, config):
        """Makes the regularizer of a `get_config`."""
        return cls(**{key: deserialize_number(value) for key, value in config.items()})


def check_number_or_schedule(value, name):
    """Returns a float >= 0 or a schedule, or raises a `ValueError` that names the argument."""
    if isinstance(value, keras.optimizers.schedules.LearningRateSchedule):
        return value
    rule = "a finite float >= 0 or a `keras.optimizers.schedules.LearningRateSchedule`"
    return shapes.check_not_negative(value, name, rule)


def number_at(value, step, dtype):
    """A float, or a schedule at a training step, as a scalar of a dtype."""
    return tf.cast(value(step) if callable(value) else value, dtype)


def serialize_number(value):
    """A float as it is, a schedule as its Keras configuration."""
    return keras.saving.serialize_keras_object(value) if callable(value) else value


def deserialize_number(value):
    """Undoes `serialize_number`; any other value passes."""
    return keras.saving.deserialize_keras_object(value) if isinstance(value, dict) else value
