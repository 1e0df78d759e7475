"""The two models."""

from tfcvae.models.cvae import CVAE
from tfcvae.models.vae import VAE

__all__ = ["CVAE", "VAE"]
