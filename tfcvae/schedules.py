"""Schedules of a regularizer's weight, beside those of `keras.optimizers.schedules`."""

import keras
import tensorflow as tf

from tfcvae import shapes


@keras.saving.register_keras_serializable("tfcvae")
class Cyclical(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly and holds, several times over.

    Each cycle rises from `start` to `end` over its first part and holds `end` for the rest; after
    the last cycle the value stays at `end`.

    Args:
        num_steps: int, the number of training steps of all cycles together.
        num_cycles: int.
        ramp: float in (0, 1], the part of a cycle that rises.
        start: float.
        end: float.

    Raises:
        ValueError: if an argument is out of its range.

    Reference:
        Fu et al., Cyclical Annealing Schedule (2019), arXiv:1903.10145.
    """

    def __init__(self, num_steps, num_cycles=4, ramp=0.5, start=0.0, end=1.0):
        self.num_steps = shapes.check_positive_int(num_steps, "num_steps")
        self.num_cycles = shapes.check_positive_int(num_cycles, "num_cycles")
        if shapes.check_positive(ramp, "ramp") > 1:
            raise ValueError(f"Argument `ramp` must be a float in (0, 1]. Received: ramp={ramp}")
        self.ramp = float(ramp)
        self.start = float(start)
        self.end = float(end)

    def __call__(self, step):
        position = tf.cast(step, "float32") * self.num_cycles / self.num_steps
        risen = tf.minimum((position - tf.floor(position)) / self.ramp, 1.0)
        risen = tf.where(position < self.num_cycles, risen, 1.0)
        return self.start + (self.end - self.start) * risen

    def get_config(self):
        return {
            "num_steps": self.num_steps,
            "num_cycles": self.num_cycles,
            "ramp": self.ramp,
            "start": self.start,
            "end": self.end,
        }
