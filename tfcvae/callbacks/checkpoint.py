"""The best model of a run as a file."""

import warnings
from pathlib import Path

import keras
import numpy as np

from tfcvae import replicas
from tfcvae.files import replacing


class BestCheckpoint(keras.callbacks.Callback):
    """Keeps the model of the best epoch in a file that is complete at any time.

    The model is written beside the file and then renamed onto it, so a save that fails or is
    interrupted leaves the earlier file as it was. Epochs whose monitored value is missing, NaN or
    infinite are passed over. The callback may serve several calls of `fit`, which then share one
    best value. With several workers the chief writes.

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
            if replicas.is_chief(self.model.distribute_strategy):
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
        with replacing(self.path) as temporary:
            self.model.save(temporary)
