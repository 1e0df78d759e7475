"""The directory of a training run: the model, `metrics.json` and pictures."""

import datetime
import json
import os
import sys
import textwrap
from pathlib import Path

from tfcvae.files import is_partial, replacing
from tfcvae.versions import versions

MODEL = "model.keras"
METRICS = "metrics.json"
BACKUP = "backup.npz"
_PICTURES = (
    "completions",
    "history",
    "latent",
    "reconstructions",
    "samples",
    "samples-seed*",
    "segmentations",
)
_FREE_OPTIONS = {"data_dir", "num_samples", "tensorboard"}


def check_output(directory, overwrite):
    """Raises a `ValueError` if a new run may not be written to a directory."""
    if _entries(directory) and not overwrite:
        raise ValueError(
            f"The output directory '{directory}' is not empty: choose another by --output, replace "
            "the run in it by --overwrite, or go on with it by --resume"
        )


def check_resume(directory, run):
    """Raises a `ValueError` if a directory holds something else than an unfinished run.

    Args:
        directory: path; empty or missing, the run begins.
        run: dict, `task`, `data` and `options` of the run to resume.
    """
    names = _entries(directory)
    if names and not names & {MODEL, METRICS, BACKUP}:
        raise ValueError(f"'{directory}' holds no run that could be resumed")
    if not {MODEL, METRICS} <= names:
        return
    earlier = read_metrics(directory)
    if earlier.get("finished"):
        raise ValueError(f"The run in '{directory}' is finished: there is nothing to resume")
    before, now = ({**r["options"], "task": r["task"], "data": r["data"]} for r in (earlier, run))
    for name in now.keys() - _FREE_OPTIONS:
        if before.get(name) != now[name]:
            raise ValueError(
                f"The run in '{directory}' can only be resumed with the same options: {name} was "
                f"{before.get(name)}. Received: {now[name]}"
            )


def _entries(directory):
    """The names in the directory of a run, without what a killed process left."""
    directory = Path(directory)
    if directory.exists() and not directory.is_dir():
        raise ValueError(f"The output '{directory}' exists and is no directory")
    paths = directory.iterdir() if directory.exists() else ()
    return {path.name for path in paths if not is_partial(path)}


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
            **versions(),
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
