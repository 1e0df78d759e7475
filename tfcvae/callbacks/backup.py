"""The whole state of a training run in one file."""

import itertools
import json
import zipfile
from pathlib import Path

import keras
import numpy as np

from tfcvae import replicas
from tfcvae.callbacks.variables import training_variables
from tfcvae.files import replacing

_FORMAT = "tfcvae.callbacks.Backup 1"
_STATE = ("best", "best_epoch", "best_weights", "wait", "stopped_epoch", "cooldown_counter")


class Backup(keras.callbacks.Callback):
    """Backs a training run up at the end of every epoch, and resumes it after a kill.

    The next `fit` of the same model, in this process or a new one, goes on with the epoch that was
    interrupted, as if nothing had happened: weights, optimizer, states of random generators and
    those of other callbacks are in the file, and the noise of `tfcvae.VAE` and `tfcvae.CVAE` is a
    function of the step. Data must not depend on the past either; `tfcvae.datasets.stream` starts
    at any epoch:

    ```python
    backup = tfcvae.callbacks.Backup("run/backup.npz", [early_stopping])
    data = tfcvae.datasets.stream(images, 100, initial_epoch=backup.initial_epoch)
    model.fit(data, steps_per_epoch=500, epochs=50, callbacks=[early_stopping, backup])
    ```

    The file is written beside its place and renamed, so a kill at any moment leaves a complete one.
    With several workers the chief writes and all read, from storage that they share.

    Args:
        path: path of the file, ending in `.npz`. Missing parent directories are created.
        callbacks: sequence of the other callbacks whose state belongs to the run, always in the
            same order: Keras's `EarlyStopping`, `ReduceLROnPlateau` and `ModelCheckpoint`,
            `BestCheckpoint`, and any that has `get_state()`, which returns what JSON can hold, and
            `set_state(state)`.
        delete: bool; whether the file is removed at the end of `fit`. Otherwise it holds the end of
            the run, and a `fit` to more epochs goes on from there.

    Raises:
        ValueError: if `path` does not end in `.npz`; from `initial_epoch` and `fit` if the file is
            damaged, or the backup of another model. The file is left as it is.
        OSError: from `fit` if the file cannot be written; the earlier one stays.
    """

    def __init__(self, path, callbacks=(), delete=True):
        super().__init__()
        self.path = Path(path)
        if self.path.suffix != ".npz":
            raise ValueError(f"Argument `path` must end in `.npz`. Received: path={str(path)!r}")
        self.callbacks = list(callbacks)
        self.delete = bool(delete)
        self._epoch = None

    @property
    def initial_epoch(self):
        """int, the epoch that the next `fit` begins with; 0 if there is no file."""
        return self._read()[0]["epoch"] if self.path.exists() else 0

    def on_train_begin(self, logs=None):
        self._epoch = None
        self._states = None
        if not self.model.built:
            raise ValueError(
                "A model must be built before a run of it is backed up, by `build` or a first "
                f"call. Received: model={self.model}"
            )
        if not self.path.exists():
            return
        metadata, arrays = self._read()
        variables = training_variables(self.model)
        self._check("variables", _forms(arrays[: metadata["num_variables"]]), _forms(variables))
        self._check("callbacks", metadata["callbacks"], self._callback_names())
        for variable, array in zip(variables, arrays):
            variable.assign(array)
        self._states = [_unpack(state, arrays) for state in metadata["states"]]
        self._restore_callbacks()
        self.model._initial_epoch = metadata["epoch"]

    def on_epoch_begin(self, epoch, logs=None):
        if self._states is not None:  # Callbacks after this one have begun anew meanwhile.
            self._restore_callbacks()
            self._states = None
        elif self._epoch is not None:
            self._write(epoch)
        self._epoch = epoch

    def on_train_end(self, logs=None):
        self.model._initial_epoch = None
        if self.delete:
            if replicas.is_chief(self.model.distribute_strategy):
                self.path.unlink(missing_ok=True)
        elif self._epoch is not None:
            self._write(self._epoch + 1)

    def _check(self, what, found, expected):
        if found == expected:
            return
        pairs = itertools.zip_longest(found, expected)
        first = next((f, e) for f, e in pairs if f != e)
        raise ValueError(
            f"File `{self.path}` is the backup of another run: its {what} differ, {first[0]} "
            f"stands where {first[1]} is expected. Received: {len(found)} {what} for "
            f"{len(expected)}"
        )

    def _callback_names(self):
        return [type(callback).__name__ for callback in self.callbacks]

    def _restore_callbacks(self):
        for callback, state in zip(self.callbacks, self._states):
            _set_state(callback, state)

    def _write(self, epoch):
        if not replicas.is_chief(self.model.distribute_strategy):
            return
        arrays = [_array(variable) for variable in training_variables(self.model)]
        metadata = {
            "format": _FORMAT,
            "epoch": epoch,
            "num_variables": len(arrays),
            "callbacks": self._callback_names(),
            "states": [_pack(_get_state(callback), arrays) for callback in self.callbacks],
        }
        with replacing(self.path) as temporary:
            np.savez(temporary, *arrays, metadata=json.dumps(metadata))

    def _read(self):
        """The metadata and the arrays of the file."""
        try:
            with np.load(self.path, allow_pickle=False) as file:
                metadata = json.loads(str(file["metadata"]))
                if metadata["format"] != _FORMAT:
                    raise ValueError(f"format {metadata['format']!r}")
                return metadata, [file[f"arr_{i}"] for i in range(len(file.files) - 1)]
        except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"File `{self.path}` must be a complete file of `callbacks.Backup`. "
                f"Received: {error!r}"
            ) from error


def _array(variable):
    """The value of a variable, in a type that NumPy's files know."""
    array = np.asarray(variable.numpy())
    return array.astype("float32") if array.dtype.name == "bfloat16" else array


def _forms(variables):
    dtypes = [keras.backend.standardize_dtype(v.dtype) for v in variables]
    stored = ["float32" if dtype == "bfloat16" else dtype for dtype in dtypes]
    return [(tuple(v.shape), dtype) for v, dtype in zip(variables, stored)]


def _get_state(callback):
    if hasattr(callback, "get_state"):
        return callback.get_state()
    return {name: getattr(callback, name) for name in _STATE if hasattr(callback, name)}


def _set_state(callback, state):
    if hasattr(callback, "set_state"):
        callback.set_state(state)
        return
    for name, value in state.items():
        setattr(callback, name, value)


def _pack(value, arrays):
    """What JSON can hold: lists of arrays move to `arrays`, and their places stay."""
    if isinstance(value, dict):
        return {name: _pack(item, arrays) for name, item in value.items()}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list) and value and isinstance(value[0], (np.ndarray, np.generic)):
        arrays += map(np.asarray, value)
        return {"arrays": [len(arrays) - len(value), len(arrays)]}
    return value


def _unpack(value, arrays):
    if isinstance(value, dict):
        if list(value) == ["arrays"]:
            return arrays[slice(*value["arrays"])]
        return {name: _unpack(item, arrays) for name, item in value.items()}
    return value
