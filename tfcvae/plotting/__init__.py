"""Pictures of data, models and training runs, as `matplotlib.figure.Figure` objects.

They need no display and no closing, and notebooks show them. Images are `[n, height, width]` or
`[n, height, width, channels]` with 1 or 3 channels. Floats are drawn on the fixed range 0 to 1
(values outside are clipped); integers are read as 0 to 255, unless none exceeds 1.
"""

from tfcvae.plotting.curves import history, latent_scatter
from tfcvae.plotting.figures import STYLE, save
from tfcvae.plotting.images import HIDDEN_COLOR, completions, reconstructions, samples
from tfcvae.plotting.latents import latents
from tfcvae.plotting.segmentation import segmentations

__all__ = [
    "HIDDEN_COLOR",
    "STYLE",
    "completions",
    "history",
    "latent_scatter",
    "latents",
    "reconstructions",
    "samples",
    "save",
    "segmentations",
]
