"""The reconstruction as a constraint."""

import keras
import tensorflow as tf

from tfcvae.regularizers.base import check_number

_MAX_STEP = 0.1


@keras.saving.register_keras_serializable("tfcvae")
class GECO:
    """Minimises the KL subject to a reconstruction term of at most `threshold` nats.

    It stands beside a `KL()`. The reconstruction enters the loss as `multiplier * (reconstruction -
    threshold)`, and the multiplier grows while a moving average of the difference is positive and
    shrinks while it is negative: `multiplier *= exp(rate * average)` in every training step, by at
    most a tenth. It is logged as `geco`.

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
        self.threshold = float(threshold)
        self.rate = check_number(rate, "rate")
        self.decay = check_number(decay, "decay")
        if self.decay >= 1:
            raise ValueError(f"Argument `decay` must be a float in [0, 1). Received: decay={decay}")
        self.name = name
        self._log_multiplier, self._average = self.variables = [
            keras.Variable(0.0, trainable=False, aggregation="mean", name=f"{name}_{part}")
            for part in ("log_multiplier", "average")
        ]

    def constrain(self, reconstruction, training):
        """The multiplier, and the reconstruction's part of the loss; a step of the multiplier.

        Args:
            reconstruction: scalar, the reconstruction term of a batch in nats.
            training: bool.
        """
        difference = reconstruction - self.threshold
        log_multiplier = tf.convert_to_tensor(self._log_multiplier)
        if training:
            average = tf.convert_to_tensor(self._average)
            average += (1.0 - self.decay) * (tf.stop_gradient(difference) - average)
            step = tf.clip_by_value(self.rate * average, -_MAX_STEP, _MAX_STEP)
            self._average.assign(average)
            self._log_multiplier.assign(log_multiplier + step)
        multiplier = tf.exp(log_multiplier)
        return multiplier, multiplier * difference

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
