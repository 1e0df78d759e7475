"""Export of trained models for TensorFlow Serving and other users of SavedModel."""

from tfcvae.serving.export import export

__all__ = ["export"]
