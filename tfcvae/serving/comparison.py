"""Whether a version answers in the C++ loader as it did when it was exported."""

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tfcvae.serving.native import NativeModel

TOLERANCES = {"log_prob": 1e-5}
DEFAULT_TOLERANCE = 1e-6


class Comparison(NamedTuple):
    """One output of a signature against what was recorded.

    Attributes:
        signature: str.
        output: str.
        difference: float, the largest difference, relative to `max(1, |recorded|)`.
        tolerance: float.
    """

    signature: str
    output: str
    difference: float
    tolerance: float

    @property
    def is_equal(self):
        """Whether the difference is within the tolerance."""
        return self.difference <= self.tolerance


def check(path, tensorflow=None):
    """Runs every signature on its recorded inputs, in a process that need not import TensorFlow.

    Args:
        path: directory of one version.
        tensorflow: as in `NativeModel`.

    Returns:
        The version of the TensorFlow library, and a list of `Comparison`s.

    Raises:
        ValueError: if the directory is no such version, its recorded examples are missing or
            damaged, or the library cannot run it.
    """
    with NativeModel(path, tensorflow) as model:
        examples = _read(Path(path, "assets.extra", "examples.npz"))
        return model.version, list(_comparisons(model, examples, path))


def _comparisons(model, examples, path):
    for name in model.card["signatures"]:
        prefix = f"{name}/inputs/"
        inputs = {k.removeprefix(prefix): v for k, v in examples.items() if k.startswith(prefix)}
        if name == "serving_default":  # Another name of the first.
            continue
        if not inputs:
            raise ValueError(
                f"'{path}' must have recorded inputs of every signature: not of {name}"
            )
        for output, found in model.run(name, **inputs).items():
            expected = examples[f"{name}/outputs/{output}"]
            scale = np.maximum(1.0, np.abs(expected))
            difference = float(np.max(np.abs(found - expected) / scale, initial=0.0))
            same_shape = found.shape == expected.shape and np.isfinite(difference)
            tolerance = TOLERANCES.get(name, DEFAULT_TOLERANCE)
            difference = difference if same_shape else float("inf")
            yield Comparison(name, output, difference, tolerance)


def _read(path):
    try:
        with np.load(path) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"'{path}' must hold recorded examples. Received: {error!r}") from error
