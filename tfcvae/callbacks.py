"""Keras callbacks."""

import os
import warnings
from pathlib import Path

import keras
import numpy as np

from tfcvae import shapes


class NaNGuard(keras.callbacks.Callback):
    """Stops training at the first NaN or infinite term, with the weights of the last good epoch.

    `fit` of `tfcvae.VAE` and `tfcvae.CVAE` adds it by itself.

    Raises:
        FloatingPointError: from `fit`, naming the term that went bad first.
    """

    def on_epoch_begin(self, epoch, logs=None):
        if self.model.built and not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)
        variables = [*self.model.variables, *self.model.optimizer.variables]
        self._saved = [(variable, np.array(variable.numpy())) for variable in variables]

    def on_train_batch_end(self, batch, logs=None):
        values = {name: float(value) for name, value in logs.items()}
        if np.isfinite(values["loss"]):
            return
        bad = [name for name in self.model.term_names if not np.isfinite(values[name])]
        first = [*bad, "loss"][0]
        for variable, value in self._saved:
            variable.assign(value)
        raise FloatingPointError(
            f"Training stopped: the term {first!r} became {values[first]} at batch {batch}. The "
            "model has the weights of the start of this epoch. Usual causes are NaN in the data "
            f"and a learning rate that is too high. Received: {values}"
        )


class WarmUpCheck(keras.callbacks.Callback):
    """Warns when a schedule of a regularizer is longer than the training run.

    `fit` of `tfcvae.VAE` and `tfcvae.CVAE` adds it by itself.
    """

    def on_train_begin(self, logs=None):
        steps = self.params.get("steps")
        if not steps:
            return
        end = int(self.model.optimizer.iterations) + steps * self.params["epochs"]
        for regularizer in self.model.regularizers:
            for name in ("weight", "capacity"):
                schedule = getattr(regularizer, name, None)
                length = getattr(schedule, "decay_steps", getattr(schedule, "num_steps", 0))
                if length > end:
                    warnings.warn(
                        f"The schedule of `{name}` of the regularizer {regularizer.name!r} takes "
                        f"{length} steps, but this run ends after {end}",
                        stacklevel=2,
                    )


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


class BestCheckpoint(keras.callbacks.Callback):
    """Keeps the model of the best epoch in a file that is complete at any time.

    The model is written beside the file and then renamed onto it, so a save that fails or is
    interrupted leaves the earlier file as it was. Epochs whose monitored value is missing, NaN or
    infinite are passed over. The callback may serve several calls of `fit`, which then share one
    best value.

    Args:
        path: path of the file, ending in `.keras`. Missing parent directories are created.
        monitor: string, a name among the logs of an epoch.
        mode: `"max"` or `"min"`, which value is best.

    Attributes:
        best: float, the best value so far, or `None`.
        best_epoch: int, its epoch, the first being 1, or `None`.

    Raises:
        ValueError: if `mode` is unknown or `path` does not end in `.keras`.
    """

    def __init__(self, path, monitor="val_elbo", mode="max"):
        super().__init__()
        self.path = Path(path)
        if self.path.suffix != ".keras":
            raise ValueError(f"Argument `path` must end in `.keras`. Received: path={str(path)!r}")
        if mode not in ("max", "min"):
            raise ValueError(f"Argument `mode` must be 'max' or 'min'. Received: mode={mode!r}")
        self.monitor = monitor
        self.mode = mode
        self.best = None
        self.best_epoch = None

    def on_epoch_end(self, epoch, logs=None):
        value = float((logs or {}).get(self.monitor, np.nan))
        if np.isfinite(value) and self._is_better(value):
            self._save()
            self.best, self.best_epoch = value, epoch + 1

    def on_train_end(self, logs=None):
        if self.best is None:
            warnings.warn(
                f"No checkpoint was written to {self.path}: no epoch had a finite "
                f"{self.monitor!r}, which may need `validation_data` in `fit`",
                stacklevel=2,
            )

    def _is_better(self, value):
        if self.best is None:
            return True
        return value > self.best if self.mode == "max" else value < self.best

    def _save(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_name(f".{self.path.stem}.{os.getpid()}.keras")
        try:
            self.model.save(temporary)
            os.replace(temporary, self.path)
        finally:
            temporary.unlink(missing_ok=True)
