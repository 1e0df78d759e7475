"""Export of trained models for TensorFlow Serving and other users of SavedModel."""

import importlib

_MODULES = {
    "NativeModel": "native",
    "check": "comparison",
    "export": "saved_model",
    "to_onnx": "convert",
    "to_tflite": "convert",
}
__all__ = ["NativeModel", "check", "export", "to_onnx", "to_tflite"]


def __getattr__(name):
    """Imports a member when it is first asked for: a check must not import TensorFlow."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    return value
