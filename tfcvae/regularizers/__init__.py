"""Terms of the loss that shape the latent distribution."""

from tfcvae.regularizers.base import Regularizer
from tfcvae.regularizers.geco import GECO
from tfcvae.regularizers.kl import KL, kl_divergence, kl_per_dimension
from tfcvae.regularizers.mmd import MMD

__all__ = ["GECO", "KL", "MMD", "Regularizer", "kl_divergence", "kl_per_dimension"]
