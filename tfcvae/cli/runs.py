"""The directory of a training run: the model, `metrics.json` and pictures."""

import datetime
import importlib.metadata
import json
import os
import sys
import textwrap
from pathlib import Path

from tfcvae import __version__
from tfcvae.files import replacing

MODEL = "model.keras"
METRICS = "metrics.json"
_PICTURES = (
    "completions",
    "history",
    "latent",
    "reconstructions",
    "samples",
    "samples-seed*",
    "segmentations",
)
_PACKAGES = ("tensorflow", "keras", "tensorflow-probability", "numpy")


def check_output(directory, overwrite):
    """Raises a `ValueError` if a run may not be written to a directory."""
    directory = Path(directory)
    if directory.exists() and not directory.is_dir():
        raise ValueError(f"The output '{directory}' exists and is no directory")
    if not overwrite and directory.exists() and any(directory.iterdir()):
        raise ValueError(
            f"The output directory '{directory}' is not empty: choose another by --output, or "
            "replace the run in it by --overwrite"
        )


def remove_pictures(directory):
    """Removes the pictures of an earlier run, which a new model has made obsolete."""
    for name in _PICTURES:
        for path in Path(directory).glob(f"{name}.png"):
            path.unlink()


def environment(command):
    """The facts of this machine and moment that go into `metrics.json`."""
    return {
        "command": command,
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "versions": {
            "python": sys.version.split()[0],
            "tfcvae": __version__,
            **{name: importlib.metadata.version(name) for name in _PACKAGES},
        },
    }


def write_metrics(directory, metrics):
    """Writes `metrics.json`, complete or not at all."""
    with replacing(Path(directory, METRICS)) as temporary:
        temporary.write_text(json.dumps(metrics, indent=2) + "\n")


def read_metrics(directory):
    """Reads the `metrics.json` of a run.

    Raises:
        ValueError: if the directory does not hold a run with a model.
    """
    for name in (METRICS, MODEL):
        if not Path(directory, name).is_file():
            raise ValueError(f"'{directory}' is not a run of `tfcvae train`: it has no {name}")
    try:
        metrics = json.loads(Path(directory, METRICS).read_text())
        metrics["task"], metrics["data"], metrics["options"]["seed"]
    except (ValueError, KeyError, TypeError) as error:
        path = Path(directory, METRICS)
        raise ValueError(f"'{path}' is not from `tfcvae train`. Received: {error!r}") from error
    return metrics


def load_model(directory):
    """Loads the model of a run, after registering every class that it may have.

    Raises:
        ValueError: if the file is damaged.
    """
    import keras

    import tfcvae.cli.training  # noqa: F401

    path = Path(directory, MODEL)
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:
        reason = textwrap.shorten(str(error), 300)
        raise ValueError(f"'{path}' cannot be loaded. Received: {reason}") from error
