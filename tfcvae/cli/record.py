"""What a run has come to, epoch by epoch."""

import math
import time

import keras

from tfcvae.cli import runs

_STATE = ("history", "epochs_run", "best_epoch", "best_validation_elbo", "training_seconds")


class Record(keras.callbacks.Callback):
    """Keeps the curves and the best epoch in the metrics, and writes them after every epoch.

    Args:
        metrics: dict, changed in place.
        checkpoint: the run's `BestCheckpoint`, which stands before this callback.
        output: directory of the run.
        is_chief: bool, whether this process writes.
    """

    def __init__(self, metrics, checkpoint, output, is_chief):
        super().__init__()
        self.metrics = metrics
        self.checkpoint = checkpoint
        self.output = output
        self.is_chief = is_chief

    def on_train_begin(self, logs=None):
        self._start = time.time() - self.metrics["training_seconds"]

    def on_epoch_end(self, epoch, logs=None):
        metrics, checkpoint = self.metrics, self.checkpoint
        for name, value in logs.items():
            value = float(value) if math.isfinite(value) else None
            metrics["history"].setdefault(name, []).append(value)
        is_first = checkpoint.best_epoch and metrics["best_epoch"] is None
        metrics["epochs_run"] = epoch + 1
        metrics["best_epoch"] = checkpoint.best_epoch
        metrics["best_validation_elbo"] = checkpoint.best
        metrics["training_seconds"] = round(time.time() - self._start, 1)
        if self.is_chief and is_first:
            runs.remove_pictures(self.output)
        if self.is_chief and checkpoint.best_epoch:
            runs.write_metrics(self.output, metrics)

    def get_state(self):
        """What a resumed run needs of an interrupted one."""
        return {name: self.metrics[name] for name in _STATE if name in self.metrics}

    def set_state(self, state):
        """Goes on from the state of an interrupted run."""
        self.metrics.update(state)
        self._start = time.time() - self.metrics["training_seconds"]
