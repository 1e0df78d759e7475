"""Callbacks that watch the terms of the objective."""

import warnings

import keras
import numpy as np

from tfcvae import shapes
from tfcvae.callbacks.variables import training_variables

_ENDLESS = (
    keras.optimizers.schedules.ExponentialDecay,
    keras.optimizers.schedules.InverseTimeDecay,
)
"""Schedules whose `decay_steps` is a unit, not a length."""


class NaNGuard(keras.callbacks.Callback):
    """Stops training at the first NaN or infinite term, with the weights of the last good epoch.

    `fit` of `tfcvae.VAE` and `tfcvae.CVAE` adds it by itself.

    Raises:
        FloatingPointError: from `fit`, naming the term that went bad first.
    """

    def on_epoch_begin(self, epoch, logs=None):
        variables = training_variables(self.model)
        self._saved = [(variable, np.array(variable.numpy())) for variable in variables]

    def on_train_batch_end(self, batch, logs=None):
        values = {name: float(np.mean(value)) for name, value in logs.items()}
        if np.isfinite(values["loss"]):
            return
        bad = [name for name in self.model.term_names if not np.isfinite(values[name])]
        first = [*bad, "loss"][0]
        for variable, value in self._saved:
            variable.assign(value)
        raise FloatingPointError(
            f"Training stopped: the term {first!r} became {values[first]} at batch {batch}. The "
            "model has the weights of the start of this epoch. Usual causes are NaN in the data, "
            "a learning rate that is too high, and a flow without a bound of the gradients "
            f"(`global_clipnorm=` of the optimizer). Received: {values}"
        )


class WarmUpCheck(keras.callbacks.Callback):
    """Warns when a schedule of a regularizer is longer than the training run.

    `fit` of `tfcvae.VAE` and `tfcvae.CVAE` adds it by itself.
    """

    def on_train_begin(self, logs=None):
        self._is_due = True

    def on_epoch_begin(self, epoch, logs=None):
        if not self._is_due:
            return
        optimizer = self.model.optimizer
        self._optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        self._done = int(self._optimizer.iterations.numpy())
        if steps := self.params.get("steps"):
            left = steps * (self.params["epochs"] - epoch)
            self._check(self._done + left // (self._optimizer.gradient_accumulation_steps or 1))

    def on_epoch_end(self, epoch, logs=None):
        """Data of unknown length: the other epochs are taken to be as long as the first."""
        if self._is_due:
            steps = int(self._optimizer.iterations.numpy()) - self._done
            self._check(self._done + steps * (self.params["epochs"] - epoch))

    def _check(self, end):
        self._is_due = False
        for regularizer in self.model.regularizers:
            for name in ("weight", "capacity"):
                schedule = getattr(regularizer, name, None)
                length = _length(schedule)
                if length > end:
                    warnings.warn(
                        f"The schedule of `{name}` of the regularizer {regularizer.name!r} takes "
                        f"{length} steps, but this run ends after {end}",
                        stacklevel=3,
                    )


def _length(schedule):
    """The step from which a schedule stays where it is, or 0 where there is none."""
    if isinstance(schedule, _ENDLESS):
        return 0
    warm_up = 0 if getattr(schedule, "warmup_target", None) is None else schedule.warmup_steps
    decay = warm_up + getattr(schedule, "decay_steps", 0)
    return max([decay, getattr(schedule, "num_steps", 0), *getattr(schedule, "boundaries", ())])


class CollapseWarning(keras.callbacks.Callback):
    """Warns when the latent variables carry next to nothing: the posterior has become the prior.

    Args:
        threshold: float > 0, nats: a KL below it counts as collapsed.
        patience: int, epochs in a row that it must stay there; early epochs of a healthy run may
            be among them.

    Raises:
        ValueError: if an argument is out of its range.

    Reference:
        Lucas et al., Don't Blame the ELBO! (2019), arXiv:1911.02469.
    """

    def __init__(self, threshold=0.1, patience=3):
        super().__init__()
        self.threshold = shapes.check_positive(threshold, "threshold")
        self.patience = shapes.check_positive_int(patience, "patience")
        self._epochs = 0

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        name = "val_kl" if "val_kl" in logs else "kl"
        value = logs.get(name, np.inf)
        self._epochs = self._epochs + 1 if value < self.threshold else 0
        if self._epochs == self.patience:
            warnings.warn(
                f"Posterior collapse: {name} was below {self.threshold} nats for {self.patience} "
                f"epochs, {value:.3g} at epoch {epoch + 1}. A warm-up of the KL's weight, "
                "`KL(free_bits=...)` or a weaker decoder usually helps",
                stacklevel=2,
            )
