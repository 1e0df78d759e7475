"""Networks for distribution layers: functions that return a `keras.Model`.

Any Keras layer or model serves as well; these accept one input or a tuple of several.
"""

from tfcvae.networks.conv import conv_decoder, conv_encoder
from tfcvae.networks.mlp import mlp
from tfcvae.networks.preprocessed import preprocessed
from tfcvae.networks.unet import unet

__all__ = ["conv_decoder", "conv_encoder", "mlp", "preprocessed", "unet"]
