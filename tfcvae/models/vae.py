"""The variational autoencoder."""

import keras
import tensorflow as tf

from tfcvae import layers, seeds
from tfcvae.models import checks, data_checks
from tfcvae.models.base import LatentVariableModel
from tfcvae.models.wiring import Parts, bind, build
from tfcvae.priors import Prior, StandardNormal


@keras.saving.register_keras_serializable("tfcvae")
class VAE(LatentVariableModel):
    """A variational autoencoder: `x -> q(z|x)`, `z -> p(x|z)`, and a prior p(z) trained with them.

    ```python
    vae = tfcvae.VAE(
        encoder=layers.IndependentNormal(32, network=networks.mlp([512, 512])),
        decoder=layers.IndependentBernoulli((28, 28, 1), network=networks.mlp([512, 512])),
    )
    vae.compile("adam")
    vae.fit(images, epochs=20)
    ```

    `fit` takes x alone, with or without `sample_weight`: an array, a `keras.utils.PyDataset` of
    `(x,)`, or a `tf.data.Dataset` of x, of `(x,)` or of `(x, None, sample_weight)`. Compiled
    metrics compare x with its reconstruction. Logged, in nats: `loss`, `elbo`, `reconstruction`,
    `kl` and each further regularizer by its name; `multi_scale` when the decoder is a
    `layers.MultiScale`. Random weights, of Bayesian layers or of a `priors.BayesianNormal`, add
    `kl_weights`, their KL over the number of training examples: `elbo` has it subtracted in
    training, and `val_elbo`, which evaluates the mean weights or the predictive distribution, not;
    `importance_bound` never has.

    Args:
        encoder: distribution layer from x to q(z|x), with event shape `[event_size]`.
        decoder: distribution layer from z to p(x|z); its event shape is that of x.
        prior: a prior of `tfcvae.priors` without a network; `StandardNormal` if `None`.
        regularizers: sequence of regularizers; `[KL()]` if `None`.
        num_samples: int, draws of z for each x in training.
        importance_weighted: bool; `True` trains on the importance-weighted bound of `num_samples`
            draws instead of the ELBO, logged as `importance_bound`. It takes the density of q at
            its draws as fixed points, which costs a `layers.FlowPosterior` `event_size` passes of
            each of its steps.
        seed: int, the base of the training noise; by default from `keras.utils.set_random_seed`.
        **kwargs: arguments of `keras.Model`.

    Raises:
        ValueError: if the latent sizes differ, or an argument is out of its range.

    Reference:
        Kingma and Welling, Auto-Encoding Variational Bayes (2014), arXiv:1312.6114; Burda et al.,
        Importance Weighted Autoencoders (2016), arXiv:1509.00519.
    """

    def __init__(
        self,
        encoder,
        decoder,
        prior=None,
        regularizers=None,
        num_samples=1,
        importance_weighted=False,
        seed=None,
        **kwargs,
    ):
        super().__init__(regularizers, num_samples, importance_weighted, seed, **kwargs)
        checks.check_layers(encoder=encoder, decoder=decoder)
        self.encoder = encoder
        self.decoder = decoder
        self.prior = StandardNormal(encoder.event_shape[0]) if prior is None else prior
        checks.check_latent_sizes(encoder=encoder, prior=self.prior)
        bind(self.prior, encoder)
        has_network = getattr(self.prior, "network", None) is not None
        needs_input = isinstance(self.prior, layers.DistributionLayer)
        needs_input = needs_input and not isinstance(self.prior, Prior)
        if has_network or needs_input or getattr(self.prior, "is_conditional", False):
            raise ValueError(
                "Argument `prior` of a VAE must be a prior without a network, since p(z) has no "
                f"input. Received: prior={self.prior}"
            )
        multi_scale = isinstance(decoder, layers.MultiScale)
        self._create_trackers(["multi_scale"] if multi_scale else [])

    def build(self, input_shape):
        checks.check_event_shape("x", input_shape, self.decoder)
        build("encoder", self.encoder, (None, *self.decoder.event_shape))
        build("prior", self.prior, None)
        build("decoder", self.decoder, (None, *self.encoder.event_shape))
        self._finish_build()

    def encode(self, x):
        """The posterior q(z|x) of x `[batch, ...]`: a distribution with batch shape `[batch]`."""
        self._ensure_built()
        return self.encoder(x, training=False)

    def decode(self, z):
        """The likelihood p(x|z) of z `[*samples, batch, event_size]`."""
        self._ensure_built()
        return self.decoder(z, training=False)

    def prior_distribution(self):
        """The prior p(z), with batch shape `[]`."""
        self._ensure_built()
        return self.prior(None, training=False)

    def call(self, x, training=None):
        """The mean reconstruction at z*, the deterministic point of q(z|x)."""
        return layers.center(self.decode(layers.center(self.encode(x))))

    def reconstruct(self, x):
        """The mean reconstruction of x `[batch, ...]` at z*; the same as calling the model."""
        return self(x, training=False)

    def sample(self, num_samples, seed=None, mean=False):
        """Draws from the model.

        Args:
            num_samples: int.
            seed: int, pair of int32, or `None` for fresh noise.
            mean: bool; `True` returns E[x|z] of each drawn z instead of a draw of x.

        Returns:
            Tensor `[num_samples, *event_shape]`.
        """
        likelihood, x_seed = self._likelihood_of_draws(num_samples, seed)
        return layers.center(likelihood) if mean else likelihood.sample(seed=x_seed)

    def _likelihood_of_draws(self, num_samples, seed):
        """p(x|z) at draws of z, and the seed of the draw of x."""
        checks.check_num_samples(num_samples)
        z_seed, x_seed = seeds.split(seeds.as_seed(seed))
        return self.decode(self.prior_distribution().sample(num_samples, seed=z_seed)), x_seed

    def elbo(self, x, num_samples=1, seed=None):
        """The evidence lower bound of each x, in nats: `[batch]`.

        Args:
            x: `[batch, ...]`.
            num_samples: int, draws of z for each x.
            seed: int, pair of int32, or `None` for fresh noise.
        """
        return self._elbo(x, None, num_samples, seed)

    def log_prob(self, x, num_samples=100, seed=None, method="importance"):
        """An estimate of log p(x), in nats: `[batch]`. Its expectation is a lower bound.

        Args:
            x: `[batch, ...]`.
            num_samples: int, draws of z for each x. Memory does not grow with it.
            seed: int, pair of int32, or `None` for fresh noise.
            method: `"importance"`, with draws of q(z|x), or `"monte_carlo"`, with draws of p(z).
        """
        return self._log_prob(x, None, num_samples, method, seed)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Keras's `compute_metrics`, with x as the target."""
        return super().compute_metrics(x, x, y_pred, sample_weight)

    def _parts(self, x, y, training):
        return Parts(
            posterior=self.encoder(x, training=training),
            prior=self.prior(None, training=training),
            likelihood=lambda z: self.decoder(z, training=training),
            target=tf.cast(x, self.variable_dtype),
        )

    def _ensure_built(self, shape=None):
        super()._ensure_built((None, *self.decoder.event_shape))

    def _check_shapes(self, x, y, prefix):
        if y is not None:
            raise ValueError(
                f"Argument `{prefix}y` must be None: a VAE models x alone. A dataset of (x, y) "
                f"pairs becomes one of x by `dataset.map(lambda x, y: x)`. Received: y={y!r}"
            )
        checks.check_event_shape(f"{prefix}x", x.shape, self.decoder)

    def _check_batch(self, x, y, prefix):
        self._check_shapes(x, y, prefix)
        data_checks.check_values(f"{prefix}x", x, self.decoder)

    def get_config(self):
        parts = {"encoder": self.encoder, "decoder": self.decoder, "prior": self.prior}
        serialized = {k: keras.saving.serialize_keras_object(part) for k, part in parts.items()}
        return {**super().get_config(), **serialized}
