"""The conditional variational autoencoder of Sohn, Lee and Yan."""

import keras
import tensorflow as tf

from tfcvae import layers, seeds
from tfcvae.models import checks, data_checks
from tfcvae.models.base import LatentVariableModel
from tfcvae.models.objective import elbo_terms, gsnn_terms, hybrid_terms
from tfcvae.models.wiring import Parts, bind, build, multi_scale_term
from tfcvae.regularizers.base import weighted_mean
from tfcvae.sampling import draw, has_rows


@keras.saving.register_keras_serializable("tfcvae")
class CVAE(LatentVariableModel):
    """A conditional VAE: recognition `(x, y) -> q(z|x,y)`, prior `x -> p(z|x)`, generation
    `(x, z) -> p(y|x,z)`.

    ```python
    cvae = tfcvae.CVAE(
        recognition=layers.IndependentNormal(50, network=networks.mlp([500, 500])),
        prior=layers.IndependentNormal(50, network=networks.mlp([500, 500])),
        generation=layers.IndependentBernoulli((196,), network=networks.mlp([500, 500])),
    )
    cvae.compile("adam")
    cvae.fit(x, y, epochs=20)
    ```

    `fit` takes Keras's own `(x, y)` and `(x, y, sample_weight)`. Compiled metrics compare y with
    the deterministic prediction. Logged, in nats: `loss`, `elbo`, `reconstruction`, `kl`, each
    further regularizer by its name; with `alpha < 1` `gsnn`, the negative log-likelihood at draws
    of p(z|x), and with `0 < alpha < 1` `hybrid`, the objective `alpha * elbo - (1 - alpha) * gsnn`,
    or that with `importance_bound` in place of `elbo`;
    `baseline` when there is one, `multi_scale` and `baseline_multi_scale` when generation and
    baseline are a `layers.MultiScale`; `kl_weights` of random weights as in `tfcvae.VAE`,
    subtracted from `hybrid` as from `elbo`.

    Args:
        recognition: distribution layer from `(x, y)` to q(z|x,y), with event shape `[event_size]`.
            May be `None` when `alpha` is 0.
        prior: distribution layer from x to p(z|x), or from `(x, y0)` with a baseline; one of
            `tfcvae.priors` without a network is a p(z) that ignores x.
        generation: distribution layer from `(x, z)` to p(y|x,z), or from `(x, z, y0)` with a
            baseline; its event shape is that of y.
        baseline: distribution layer from x to p(y|x), whose mean y0 is a first guess that feeds
            prior and generation. Trained on a term of its own, unless its `trainable` is `False`.
        alpha: float in [0, 1], the weight of the CVAE's objective against that of the Gaussian
            stochastic neural network (GSNN): 1 is the CVAE, 0 the GSNN, between is the hybrid.
        regularizers: sequence of regularizers; `[KL()]` if `None`.
        num_samples: int, draws of z for each row in training.
        importance_weighted: bool; `True` trains on the importance-weighted bound of `num_samples`
            draws instead of the ELBO, logged as `importance_bound`.
        seed: int, the base of the training noise; by default from `keras.utils.set_random_seed`.
        **kwargs: arguments of `keras.Model`.

    Raises:
        ValueError: if latent sizes differ, or an argument is out of its range.

    Reference:
        Sohn, Lee and Yan, Learning Structured Output Representation using Deep Conditional
        Generative Models (NIPS 2015).
    """

    def __init__(
        self,
        recognition,
        prior,
        generation,
        baseline=None,
        alpha=1.0,
        regularizers=None,
        num_samples=1,
        importance_weighted=False,
        seed=None,
        **kwargs,
    ):
        super().__init__(regularizers, num_samples, importance_weighted, seed, **kwargs)
        self.alpha = checks.check_alpha(alpha, importance_weighted, self.regularizers)
        own = {"prior": prior, "generation": generation}
        if recognition is not None or self.alpha > 0:
            own["recognition"] = recognition
        if baseline is not None:
            own["baseline"] = baseline
            checks.check_same_event_shape(generation=generation, baseline=baseline)
        checks.check_layers(**own)
        if recognition is not None:
            checks.check_latent_sizes(recognition=recognition, prior=prior)
            bind(prior, recognition, is_conditional=True)
        self.recognition = recognition
        self.prior = prior
        self.generation = generation
        self.baseline = baseline
        present = {
            "gsnn": self.alpha < 1,
            "hybrid": 0 < self.alpha < 1,
            "multi_scale": isinstance(generation, layers.MultiScale),
            "baseline": baseline is not None,
            "baseline_multi_scale": isinstance(baseline, layers.MultiScale),
        }
        self._create_trackers([name for name, is_present in present.items() if is_present])

    def build(self, input_shape):
        x, y, z = input_shape, (None, *self.generation.event_shape), (None, *self.prior.event_shape)
        guess = ()
        if self.baseline is not None:
            build("baseline", self.baseline, x)
            guess = (y,)
        if self.recognition is not None:
            build("recognition", self.recognition, (x, y))
        build("prior", self.prior, (x, *guess) if guess else x)
        build("generation", self.generation, (x, z, *guess))
        self._finish_build()

    def recognize(self, x, y):
        """The posterior q(z|x,y) of x and y `[batch, ...]`; batch shape `[batch]`."""
        if self.recognition is None:
            raise ValueError("This model has no recognition network. Received: recognition=None")
        self._ensure_built(x.shape)
        return self.recognition((x, y), training=False)

    def prior_distribution(self, x):
        """The prior p(z|x) of x `[batch, ...]`: batch shape `[batch]`, or `[]` if it ignores x."""
        return self._given_checked(x)[0]

    def generate(self, x, z):
        """The likelihood p(y|x,z) of x `[batch, ...]` and z `[*samples, batch, event_size]`."""
        return self._given_checked(x)[1](z)

    def call(self, x, training=None):
        """The deterministic prediction y*, the mean of p(y|x,z*) at the prior's z*."""
        prior, likelihood, _ = self._given(x, False)
        z = layers.center(prior)
        if not has_rows(prior):
            z = tf.broadcast_to(z, [tf.shape(x)[0], *self.prior.event_shape])
        return layers.center(likelihood(z))

    def sample(self, x, num_samples=1, seed=None, mean=False):
        """Draws y for each x.

        Args:
            x: `[batch, ...]`.
            num_samples: int, draws for each x.
            seed: int, pair of int32, or `None` for fresh noise.
            mean: bool; `True` returns E[y|x,z] of each drawn z instead of a draw of y.

        Returns:
            Tensor `[num_samples, batch, *event_shape]`.
        """
        likelihood, y_seed = self._likelihood_of_draws(x, num_samples, seed)
        return layers.center(likelihood) if mean else likelihood.sample(seed=y_seed)

    def _likelihood_of_draws(self, x, num_samples, seed):
        """p(y|x,z) at draws of z, and the seed of the draw of y."""
        checks.check_num_samples(num_samples)
        x = tf.convert_to_tensor(x)
        z_seed, y_seed = seeds.split(seeds.as_seed(seed))
        prior, likelihood, _ = self._given_checked(x)
        return likelihood(draw(prior, num_samples, tf.shape(x)[0], z_seed)), y_seed

    def elbo(self, x, y, num_samples=1, seed=None):
        """The evidence lower bound of each log p(y|x), in nats: `[batch]`.

        Args:
            x: `[batch, ...]`.
            y: `[batch, *event_shape]`.
            num_samples: int, draws of z for each row.
            seed: int, pair of int32, or `None` for fresh noise.
        """
        self._need_recognition("elbo")
        return self._elbo(x, y, num_samples, seed)

    def log_prob(self, x, y, num_samples=100, method=None, seed=None):
        """An estimate of log p(y|x), in nats: `[batch]`. Its expectation is a lower bound.

        Args:
            x: `[batch, ...]`.
            y: `[batch, *event_shape]`.
            num_samples: int, draws of z for each row. Memory does not grow with it.
            method: `"importance"`, with draws of q(z|x,y), or `"monte_carlo"`, with draws of
                p(z|x), the default and only choice without a recognition network.
            seed: int, pair of int32, or `None` for fresh noise.
        """
        method = method or ("monte_carlo" if self._is_gsnn else "importance")
        if method == "importance":
            self._need_recognition('method="importance"')
        return self._log_prob(x, y, num_samples, method, seed)

    @property
    def _is_gsnn(self):
        return self.recognition is None or self.alpha == 0

    def _need_recognition(self, what):
        if self._is_gsnn:
            raise ValueError(
                f"`{what}` needs a trained recognition network; with `alpha=0` use "
                f'`log_prob(..., method="monte_carlo")`. Received: alpha={self.alpha}'
            )

    def _given_checked(self, x):
        x = tf.convert_to_tensor(x)
        checks.check_built_shape("x", x.shape, self)
        self._ensure_built(x.shape)
        return self._given(x, training=False)

    def _given(self, x, training):
        """p(z|x), the function z -> p(y|x,z), and p(y|x) of the baseline or `None`."""
        if self.baseline is None:
            prior = self.prior(x, training=training)
            return prior, lambda z: self.generation((x, z), training=training), None
        baseline = self.baseline(x, training=training)
        guess = tf.stop_gradient(layers.center(baseline))
        prior = self.prior((x, guess), training=training)
        return prior, lambda z: self.generation((x, z, guess), training=training), baseline

    def _parts(self, x, y, training):
        prior, likelihood, baseline = self._given(x, training)
        target = tf.cast(y, self.variable_dtype)
        posterior = None
        if not self._is_gsnn:
            posterior = self.recognition((x, target), training=training)
        return Parts(posterior, prior, likelihood, target, baseline)

    def _terms(self, parts, sample_weight, step, seed):
        elbo_seed, gsnn_seed = seeds.split(seed)
        target = parts.target
        if self.alpha == 1:
            yield from elbo_terms(self, parts, sample_weight, step, elbo_seed)
        else:
            z = draw(parts.prior, self.num_samples, tf.shape(target)[0], gsnn_seed)
            if self.alpha == 0:
                yield from gsnn_terms(parts, z, sample_weight)
            else:
                yield from hybrid_terms(self, parts, z, sample_weight, step, elbo_seed)
        if parts.baseline is not None:
            trains = self.baseline.trainable
            loss = weighted_mean(-parts.baseline.log_prob(target), sample_weight)
            yield "baseline", loss, loss if trains else None
            name = "baseline_multi_scale"
            yield from multi_scale_term(name, parts.baseline, target, sample_weight, trains)

    def _check_shapes(self, x, y, prefix):
        if y is None:
            raise ValueError(
                f"Argument `{prefix}y` is required: a CVAE models y given x. Received: y=None"
            )
        checks.check_event_shape(f"{prefix}y", y.shape, self.generation)
        checks.check_built_shape(f"{prefix}x", x.shape, self)
        checks.check_same_length(**{f"{prefix}x": x, f"{prefix}y": y})

    def _check_batch(self, x, y, prefix):
        self._check_shapes(x, y, prefix)
        data_checks.check_values(f"{prefix}x", x)
        parts = (self.recognition, self.prior, self.generation, self.baseline)
        data_checks.check_labels(f"{prefix}x", x, *parts)
        data_checks.check_values(f"{prefix}y", y, self.generation)

    def get_config(self):
        parts = {
            "recognition": self.recognition,
            "prior": self.prior,
            "generation": self.generation,
            "baseline": self.baseline,
        }
        serialized = {k: keras.saving.serialize_keras_object(part) for k, part in parts.items()}
        return {**super().get_config(), **serialized, "alpha": self.alpha}
