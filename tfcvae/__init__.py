"""Variational autoencoders and conditional VAEs as ordinary Keras models.

One idea carries the package: a *distribution layer* is a Keras layer whose call returns a
`tfp.distributions.Distribution`. Encoders, decoders, priors and the three networks of a
conditional VAE are all distribution layers; `tfcvae.VAE` and `tfcvae.CVAE` wire them.
"""

import importlib
import json
import os
import sys
from pathlib import Path

from tfcvae._version import __version__

_SUBMODULES = (
    "bijectors",
    "callbacks",
    "datasets",
    "evaluation",
    "layers",
    "models",
    "networks",
    "plotting",
    "priors",
    "regularizers",
    "schedules",
    "serving",
)
_MODELS = ("CVAE", "VAE")
__all__ = ["__version__", *_MODELS, *_SUBMODULES]


def _keras_backend():
    """The name of the Keras backend in force, found without importing Keras."""
    if "keras" in sys.modules:
        return sys.modules["keras"].config.backend()
    if "KERAS_BACKEND" in os.environ:
        return os.environ["KERAS_BACKEND"]
    config = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"), "keras.json")
    try:
        return json.loads(config.read_text()).get("backend", "tensorflow")
    except (OSError, ValueError):
        return "tensorflow"


def _is_the_command():
    """Whether this process runs the command line, whose help must not wait for TensorFlow."""
    script = Path(sys.argv[0]).stem if sys.argv else ""
    return script == "tfcvae" or sys.orig_argv[1:3] == ["-m", "tfcvae"]


def __getattr__(name):
    if name in _MODELS:
        return getattr(importlib.import_module(f"{__name__}.models"), name)
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)


if _keras_backend() != "tensorflow":
    raise ImportError(
        "tfcvae needs the TensorFlow backend of Keras: set KERAS_BACKEND=tensorflow, or "
        '"backend": "tensorflow" in keras.json, before Keras is imported. '
        f"Received: backend={_keras_backend()!r}"
    )
if not _is_the_command():
    for _name in (*_SUBMODULES, *_MODELS):
        globals()[_name] = __getattr__(_name)
