"""The variational mixture of posteriors."""

import keras
import numpy as np
import tensorflow as tf

from tfcvae import shapes
from tfcvae.layers.base import keep_frozen
from tfcvae.mixtures import mixture
from tfcvae.priors.base import Prior, check_no_network


@keras.saving.register_keras_serializable("tfcvae")
class VampPrior(Prior):
    """The mixture of the posteriors of learned pseudo-inputs: `1/K sum_k q(z|u_k)`.

    The model that gets it binds it to its encoder. In a `CVAE` the mixture is `1/K sum_k
    q(z|x, v_k)`, with learned pseudo-targets v_k: a p(z|x), also for labels x.

    The encoder sees the pseudo-inputs as in evaluation: without dropout, and by the statistics of a
    batch normalization, which the data alone make. All components weigh the same; the
    deterministic prediction of a `CVAE` is that of the first.

    Args:
        event_size: int, the number of latent dimensions.
        num_components: int, the number of pseudo-inputs.
        pseudo_inputs: array `[num_components, *shape]`, where the pseudo-inputs start: rows of the
            training data, or of their targets in a `CVAE`. If `None` they start as noise around
            0.5.
        **kwargs: arguments of `keras.layers.Layer`.

    Raises:
        ValueError: if it is called without having been bound, the pseudo-inputs do not fit, or it
            is given a network.

    Reference:
        Tomczak and Welling, VAE with a VampPrior (2018), arXiv:1705.07120.
    """

    def __init__(self, event_size, num_components=500, pseudo_inputs=None, **kwargs):
        check_no_network("VampPrior", kwargs)
        super().__init__(event_size, **kwargs)
        self.num_components = shapes.check_positive_int(num_components, "num_components")
        if pseudo_inputs is not None:
            pseudo_inputs = np.asarray(pseudo_inputs)
            if pseudo_inputs.shape[:1] != (num_components,):
                raise ValueError(
                    f"Argument `pseudo_inputs` must have {num_components} rows, one for each "
                    f"component. Received: shape {pseudo_inputs.shape}"
                )
        self._start = pseudo_inputs
        self._encoder = lambda: None

    def bind(self, encoder, is_conditional=False):
        """Gives the prior the layer whose posteriors it mixes, which stays the model's own.

        Args:
            encoder: distribution layer from x to q(z|x), or from `(x, y)` to q(z|x,y).
            is_conditional: bool, `True` for the second.
        """
        self._encoder = lambda: encoder
        self._is_conditional = is_conditional

    @property
    def is_conditional(self):
        return self._encoder() is not None and self._is_conditional

    def build(self, input_shape=None):
        encoder = self._bound()
        shape = encoder.input_shapes[-1][1:]
        if self._start is not None and self._start.shape[1:] != shape:
            raise ValueError(
                f"Argument `pseudo_inputs` must hold rows of shape {shape}. "
                f"Received: shape {self._start.shape}"
            )
        noise = keras.initializers.RandomNormal(0.5, 0.25)

        def start(shape, dtype):
            return noise(shape, dtype) if self._start is None else tf.cast(self._start, dtype)

        self.pseudo_inputs = self.add_weight(
            shape=(self.num_components, *shape),
            initializer=start,
            name="pseudo_inputs",
            autocast=False,
        )
        keep_frozen(self)

    def context(self, inputs=None):
        return inputs

    def distribution(self, features):
        encoder = self._bound()
        pseudo = tf.convert_to_tensor(self.pseudo_inputs)
        if not self.is_conditional:
            return self._mixture(encoder(pseudo, training=False), [])
        x = features[0] if isinstance(features, tuple) else features
        rows = shapes.dims(x)[: x.shape.rank - len(encoder.input_shapes[0]) + 1]
        shape = pseudo.shape.as_list()
        pseudo = tf.reshape(pseudo, [shape[0], *[1] * len(rows), *shape[1:]])
        pseudo = tf.broadcast_to(pseudo, [shape[0], *rows, *shape[1:]])
        h = encoder.features((x, pseudo), training=False)
        order = [*range(1, 1 + len(rows)), 0, *range(1 + len(rows), h.shape.rank)]
        return self._mixture(encoder.from_features(tf.transpose(h, order)), rows)

    def _mixture(self, components, rows):
        return mixture(tf.zeros([*rows, self.num_components], components.dtype), components)

    def _bound(self):
        encoder = self._encoder()
        if encoder is None:
            raise ValueError(
                "A `VampPrior` mixes the posteriors of an encoder: give it to a `tfcvae.VAE` or "
                "`tfcvae.CVAE`, or call `bind(encoder)`. Received: no encoder"
            )
        if not encoder.built:
            raise ValueError(
                "The encoder of a `VampPrior` must be built before it. "
                f"Received: {encoder.name}, which is not built"
            )
        return encoder

    def get_build_config(self):
        return None  # the model that binds it builds it

    def get_config(self):
        config = super().get_config()
        del config["network"]
        return {**config, "num_components": self.num_components}

    @classmethod
    def from_config(cls, config):
        return cls(**config)
