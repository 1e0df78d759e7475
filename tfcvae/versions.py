"""The versions that go with every result."""

import importlib.metadata

_PACKAGES = ("tfcvae", "tensorflow", "keras", "tensorflow-probability", "numpy")


def versions():
    """The installed versions of the package and of what its numbers depend on, by name."""
    return {name: importlib.metadata.version(name) for name in _PACKAGES}
