"""Keras callbacks."""

import keras
import numpy as np


class NaNGuard(keras.callbacks.Callback):
    """Stops training at the first NaN or infinite term, with the weights of the last good epoch.

    `fit` of `tfcvae.VAE` and `tfcvae.CVAE` adds it by itself.

    Raises:
        FloatingPointError: from `fit`, naming the term that went bad first.
    """

    def on_epoch_begin(self, epoch, logs=None):
        self._saved = [np.array(variable) for variable in self._variables()]

    def on_train_batch_end(self, batch, logs=None):
        values = {name: float(value) for name, value in logs.items()}
        if np.isfinite(values["loss"]):
            return
        bad = [name for name in self.model.term_names if not np.isfinite(values[name])]
        first = [*bad, "loss"][0]
        for variable, value in zip(self._variables(), self._saved):
            variable.assign(value)
        raise FloatingPointError(
            f"Training stopped: the term {first!r} became {values[first]} at batch {batch}. The "
            "model has the weights of the start of this epoch. Usual causes are NaN in the data "
            f"and a learning rate that is too high. Received: {values}"
        )

    def _variables(self):
        return [*self.model.variables, *self.model.optimizer.variables]
