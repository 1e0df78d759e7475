"""A second variational autoencoder as the prior of the first."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfcvae import datasets, networks, sampling, seeds, shapes
from tfcvae.layers.center import center
from tfcvae.layers.normal import IndependentNormal
from tfcvae.priors.base import Prior
from tfcvae.regularizers import KL

tfd = tfp.distributions


@keras.saving.register_keras_serializable("tfcvae")
class SecondStage(Prior):
    """The distribution that a VAE of its own, with latent variables u, gives to z.

    `SecondStage.fit_to(vae, x)` trains one on the posterior draws of a trained VAE; given to a
    model as it is, it trains jointly. Its density is an integral over u, which `log_prob` replaces
    by an importance-sampled estimate: in expectation a lower bound, and unbiased before the
    logarithm, so that the estimates of a model with this prior stay lower bounds too. Their seed is
    that of its noise; called by itself, the density has fixed noise.

    With a network the prior is a p(z|x): the second VAE is then conditional on its output.

    Args:
        event_size: int, the number of latent dimensions z of the first model.
        latent_size: int, the number of dimensions of u; `event_size` if `None`.
        hidden_units: sequence of ints, the hidden layers of encoder and decoder, whose inputs also
            skip them.
        num_samples: int, draws of u for each z.
        network: Keras layer or model from x to a context, or `None`.
        seed: int, the base of the estimate's noise.
        **kwargs: arguments of `keras.layers.Layer`.

    Reference:
        Dai and Wipf, Diagnosing and Enhancing VAE Models (2019), arXiv:1903.05789.
    """

    def __init__(
        self,
        event_size,
        latent_size=None,
        hidden_units=(1024, 1024, 1024),
        num_samples=16,
        network=None,
        seed=0,
        **kwargs,
    ):
        super().__init__(event_size, network, **kwargs)
        latent_size = event_size if latent_size is None else latent_size
        self.latent_size = shapes.check_positive_int(latent_size, "latent_size")
        self.hidden_units = shapes.as_event_shape(hidden_units, "hidden_units")
        self.num_samples = shapes.check_positive_int(num_samples, "num_samples")
        self.seed = int(seed)

        def skipped():
            return InputSkip(networks.mlp(hidden_units))

        self.encoder = IndependentNormal(self.latent_size, skipped(), name="encoder")
        self.decoder = IndependentNormal(event_size, skipped(), scale="shared", name="decoder")

    @classmethod
    def fit_to(
        cls,
        vae,
        x,
        epochs=100,
        batch_size=128,
        learning_rate=1e-3,
        warm_up=0.5,
        seed=0,
        verbose="auto",
        **kwargs,
    ):
        """Trains a second VAE on the posterior of a first, whose weights stay as they are.

        z ~ q(z|x) is drawn anew in every epoch. The weight of the KL rises from 0 to 1 over the
        first epochs, since a second VAE can come to ignore u. The method supposes that the decoder
        of the first has a scale that it has learned, `scale="shared"`, where it is a normal one.

        ```python
        prior = priors.SecondStage.fit_to(vae, images)
        two_stage = tfcvae.VAE(vae.encoder, vae.decoder, prior=prior)
        ```

        Args:
            vae: a trained `tfcvae.VAE`.
            x: array `[n, ...]`, the data it was trained on.
            epochs: int.
            batch_size: int.
            learning_rate: float > 0, of Adam; it falls to 0 by a cosine.
            warm_up: float in [0, 1], the share of the training over which the weight rises.
            seed: int, of the order of the data and of the noise, in training and after. The weights
                start as `keras.utils.set_random_seed` has it.
            verbose: as in Keras's `fit`.
            **kwargs: further arguments of `SecondStage`, but for `network`: z is all that the
                second VAE sees.

        Returns:
            A `SecondStage`.

        Raises:
            ValueError: if an argument is out of its range, or the data do not fit the VAE.
        """
        from tfcvae.models import VAE, data_checks

        if not isinstance(vae, VAE):
            raise ValueError(f"Argument `vae` must be a `tfcvae.VAE`. Received: vae={vae}")
        if not hasattr(x, "shape"):
            raise ValueError(f"Argument `x` must be an array. Received: x={x!r:.80}")
        data_checks.check_data(vae, x)
        shapes.check_positive_int(epochs, "epochs")
        shapes.check_positive(learning_rate, "learning_rate")
        if kwargs.get("network") is not None:
            raise ValueError(
                "Argument `network` must be None: `fit_to` trains on z alone. "
                f"Received: network={kwargs['network']}"
            )
        if not 0 <= shapes.check_finite(warm_up, "warm_up") <= 1:
            raise ValueError(
                f"Argument `warm_up` must be a float in [0, 1]. Received: warm_up={warm_up}"
            )
        stage = cls(vae.encoder.event_shape[0], seed=seed, **kwargs)
        steps = -(-len(x) // shapes.check_positive_int(batch_size, "batch_size"))
        schedules = keras.optimizers.schedules
        weight = 1.0
        if warm_up > 0:
            weight = schedules.PolynomialDecay(0.0, max(1, int(warm_up * epochs * steps)), 1.0)
        model = VAE(stage.encoder, stage.decoder, regularizers=[KL(weight)], seed=seed)
        rate = schedules.CosineDecay(learning_rate, epochs * steps)
        model.compile(keras.optimizers.Adam(rate))
        draws = datasets.stream(
            x, batch_size, seed=seed, transform=lambda x, seed: vae.encode(x).sample(seed=seed)
        )
        model.fit(draws, epochs=epochs, steps_per_epoch=steps, verbose=verbose)
        stage.build(None)
        return stage

    def build_parameters(self):
        context = () if self.network is None else (self.context_shape,)
        for layer, size in ((self.encoder, self.event_size), (self.decoder, self.latent_size)):
            if not layer.built:
                own = (None, size)
                layer.build((own, *context) if context else own)

    def distribution(self, features):
        return SecondStageDistribution(self, features)

    def get_config(self):
        return {
            **super().get_config(),
            "latent_size": self.latent_size,
            "hidden_units": self.hidden_units,
            "num_samples": self.num_samples,
            "seed": self.seed,
        }


class SecondStageDistribution(tfd.Distribution):
    """The distribution of z in a `SecondStage`, given its context or `None`."""

    def __init__(self, stage, context):
        self._stage = stage
        self._context = context
        super().__init__(
            dtype=stage.variable_dtype,
            reparameterization_type=tfd.FULLY_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
        )

    def _batch_shape(self):
        return tf.TensorShape([]) if self._context is None else self._context.shape[:-1]

    def _batch_shape_tensor(self):
        return tf.zeros([0], "int32") if self._context is None else tf.shape(self._context)[:-1]

    def _event_shape(self):
        return tf.TensorShape(self._stage.event_shape)

    def _event_shape_tensor(self):
        return tf.constant(self._stage.event_shape)

    def _sample_n(self, n, seed=None):
        u_seed, z_seed = tfp.random.split_seed(seed)
        u = self._base().sample([n, *tf.unstack(self._batch_shape_tensor())], seed=u_seed)
        return self._given(self._stage.decoder, u).sample(seed=z_seed)

    def _log_prob(self, z):
        stage = self._stage
        seed = seeds.estimate_noise.seed
        seed = tf.constant([0, 0], "int32") if seed is None else seed
        seed = seeds.fold_in(seed, stage.seed)
        rows = self._with_rows(z)
        posterior = self._given(stage.encoder, rows)
        u = posterior.sample(stage.num_samples, seed=seed)
        log_w = self._base().log_prob(u) - posterior.log_prob(u)
        log_w += self._given(stage.decoder, u).log_prob(rows)
        bound = sampling.log_mean(log_w)
        return bound if self._context is not None or z.shape.rank > 1 else bound[0]

    def center(self):
        """The decoder's mean at u = 0."""
        shape = [*tf.unstack(self._batch_shape_tensor()), self._stage.latent_size]
        u = tf.zeros(shape, self.dtype)
        if self._context is None:
            return center(self._given(self._stage.decoder, u[None]))[0]
        return center(self._given(self._stage.decoder, u))

    def _with_rows(self, z):
        """Points with an axis of rows: those of the context, if there is one."""
        if self._context is None:
            return z if z.shape.rank > 1 else z[None]
        points, rows = tf.shape(z)[:-1], self._batch_shape_tensor()
        shape = [*tf.unstack(tf.broadcast_dynamic_shape(points, rows)), *self._stage.event_shape]
        static = tf.broadcast_static_shape(z.shape[:-1], self._batch_shape())
        return tf.ensure_shape(tf.broadcast_to(z, shape), [*static, *self._stage.event_shape])

    def _base(self):
        zeros = tf.zeros([self._stage.latent_size], self.dtype)
        return tfd.MultivariateNormalDiag(zeros, tf.ones_like(zeros))

    def _given(self, layer, values):
        return layer(values if self._context is None else (values, self._context))


@keras.saving.register_keras_serializable("tfcvae")
class InputSkip(keras.Model):
    """A network whose inputs join its output.

    Args:
        network: Keras layer or model from vectors, or a tuple of them, to features.
        **kwargs: arguments of `keras.Model`.
    """

    def __init__(self, network, **kwargs):
        super().__init__(**kwargs)
        self.network = network

    def call(self, inputs):
        features = self.network(inputs)
        vectors = keras.tree.flatten(inputs)
        return tf.concat([features, *(tf.cast(v, features.dtype) for v in vectors)], axis=-1)

    def get_config(self):
        return {
            **super().get_config(),
            "network": keras.saving.serialize_keras_object(self.network),
        }

    @classmethod
    def from_config(cls, config):
        return cls(
            **{**config, "network": keras.saving.deserialize_keras_object(config["network"])}
        )
