"""Keras callbacks."""

from tfcvae.callbacks.backup import Backup
from tfcvae.callbacks.checkpoint import BestCheckpoint
from tfcvae.callbacks.monitors import CollapseWarning, NaNGuard, WarmUpCheck

__all__ = ["Backup", "BestCheckpoint", "CollapseWarning", "NaNGuard", "WarmUpCheck"]
