"""The reconstruction as a constraint."""

import keras
import tensorflow as tf

from tfcvae import replicas, shapes

_MAX_STEP = 0.1
_MAX_LOG_MULTIPLIER = 10.0


@keras.saving.register_keras_serializable("tfcvae")
class GECO:
    """Minimises the KL subject to a reconstruction term of at most `threshold` nats.

    It stands beside a `KL()`. The reconstruction enters the loss as `multiplier * (reconstruction -
    threshold)`, and the multiplier grows while a moving average of the difference is positive and
    shrinks while it is negative: `multiplier *= exp(rate * average)` in every training step, by at
    most a tenth, and stays between `exp(-10)` and `exp(10)`. It is logged as `geco`.

    Args:
        threshold: float, in nats.
        rate: float >= 0, the speed of the multiplier, per nat and step.
        decay: float in [0, 1), of the moving average.
        name: str.

    Raises:
        ValueError: if an argument is out of its range.

    Reference:
        Rezende and Viola, Taming VAEs (2018), arXiv:1810.00597.
    """

    def __init__(self, threshold, rate=1e-3, decay=0.99, name="geco"):
        self.threshold = shapes.check_finite(threshold, "threshold")
        self.rate = shapes.check_not_negative(rate, "rate")
        self.decay = shapes.check_not_negative(decay, "decay")
        if self.decay >= 1:
            raise ValueError(f"Argument `decay` must be a float in [0, 1). Received: decay={decay}")
        self.name = name
        self.variables = []

    def build(self):
        """Makes the variables, unless they are there; the model does it when it is built."""
        if not self.variables:
            self.variables = [
                keras.Variable(0.0, trainable=False, aggregation="mean", name=f"{self.name}_{part}")
                for part in ("log_multiplier", "average")
            ]

    def constrain(self, reconstruction):
        """The multiplier, and the reconstruction's part of the loss.

        Args:
            reconstruction: scalar, the reconstruction term of a batch in nats.
        """
        multiplier = tf.exp(tf.cast(self.variables[0], reconstruction.dtype))
        return multiplier, multiplier * (reconstruction - self.threshold)

    def update(self, reconstruction, rows):
        """A step of the multiplier, the same on all replicas.

        Args:
            reconstruction: scalar, the reconstruction term of this replica's batch in nats.
            rows: int scalar, the number of rows of that batch.
        """
        difference = replicas.mean_over_rows(reconstruction, rows) - self.threshold
        log_multiplier, average = (tf.cast(v, difference.dtype) for v in self.variables)
        average += (1.0 - self.decay) * (difference - average)
        step = tf.clip_by_value(self.rate * average, -_MAX_STEP, _MAX_STEP)
        bound = _MAX_LOG_MULTIPLIER
        log_multiplier = tf.clip_by_value(log_multiplier + step, -bound, bound)
        for variable, value in zip(self.variables, (log_multiplier, average)):
            variable.assign(value)

    def get_config(self):
        """The arguments of the constructor, as for Keras layers."""
        return {
            "threshold": self.threshold,
            "rate": self.rate,
            "decay": self.decay,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config):
        """Makes the regularizer of a `get_config`."""
        return cls(**config)
