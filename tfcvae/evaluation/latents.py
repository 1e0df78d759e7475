"""What the latent variables of a trained model carry."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfcvae import regularizers, seeds
from tfcvae.evaluation.batches import over_batches
from tfcvae.evaluation.two_sample import mmd_test
from tfcvae.layers.center import center
from tfcvae.sampling import draw, has_rows


class ActiveUnits(NamedTuple):
    """The latent dimensions that depend on the data.

    Attributes:
        count: int, how many dimensions vary by more than the threshold.
        variances: float64 `[event_size]`, the variance of each posterior mean over the data.
    """

    count: int
    variances: np.ndarray


def active_units(model, data, threshold=0.01, batch_size=500):
    """Counts the latent dimensions whose posterior mean varies over the data.

    For a `CVAE` it is the difference of the posterior's mean from the prior's `layers.center`,
    since the latter varies with x by itself.

    Args:
        model: a `tfcvae.VAE` or `tfcvae.CVAE`.
        data: for a VAE an array of x, for a CVAE a tuple `(x, y)`.
        threshold: float, the variance above which a dimension counts.
        batch_size: int, examples evaluated together.

    Returns:
        An `ActiveUnits`.

    Raises:
        ValueError: if the data do not fit the model.

    Reference:
        Burda et al., Importance Weighted Autoencoders (2016), arXiv:1509.00519.
    """

    def difference(posterior, prior, rows, seed):
        return center(posterior) - center(prior)

    variances = _over(model, data, difference, batch_size).var(0, dtype="float64")
    return ActiveUnits(int(np.sum(variances > threshold)), variances)


def kl_per_dimension(model, data, batch_size=500):
    """The mean KL of each latent dimension over the data, in nats: float64 `[event_size]`.

    Args:
        model: a `tfcvae.VAE` or `tfcvae.CVAE`.
        data: as in `active_units`.
        batch_size: int, examples evaluated together.

    Raises:
        ValueError: if posterior or prior does not factorise over dimensions, or the data do not fit
            the model.
    """

    def kl(posterior, prior, rows, seed):
        result = regularizers.kl_per_dimension(posterior, prior)
        if result is None:
            raise ValueError(
                "The KL of each dimension exists where posterior and prior are normal "
                "distributions with independent dimensions. "
                f"Received: {posterior} and {prior}"
            )
        return result

    return _over(model, data, kl, batch_size).mean(0, dtype="float64")


def mutual_information(model, x, batch_size=500, seed=0):
    """The mutual information of x and z ~ q(z|x), in nats, over a data set.

    `mean log q(z_n|x_n) - log q(z_n)` with one draw for each row and the aggregate posterior
    `q(z) = 1/N sum_m q(z|x_m)` of the same rows: it cannot exceed log N. The cost grows with N^2;
    a few thousand rows are enough.

    Args:
        model: a `tfcvae.VAE`.
        x: array `[n, ...]`.
        batch_size: int, examples evaluated together.
        seed: int or pair of int32.

    Returns:
        float.

    Raises:
        ValueError: if the model is no VAE or the data do not fit it.

    Reference:
        Hoffman and Johnson, ELBO surgery (NIPS 2016 workshop).
    """
    if not hasattr(model, "encode"):
        raise ValueError(
            "Argument `model` must be a `tfcvae.VAE`: a posterior of (x, y) has no aggregate that "
            f"is free of x. Received: model={model}"
        )

    def sample(posterior, prior, rows, seed):
        return posterior.sample(seed=seed)

    z = _over(model, x, sample, batch_size, seed)

    def densities(rows):
        return tf.map_fn(model.encode(rows).log_prob, z[:, None])

    x = tf.convert_to_tensor(x)
    spec = tf.TensorSpec([None, *x.shape[1:]], x.dtype)
    compiled = tf.function(densities, autograph=False).get_concrete_function(spec)
    own, total = [], np.full(len(z), -np.inf)
    for start in range(0, len(z), batch_size):
        columns = compiled(x[start : start + batch_size]).numpy()
        own.append(columns[start : start + batch_size].diagonal())
        total = np.logaddexp(total, np.logaddexp.reduce(columns, axis=1))
    return float(np.mean(np.concatenate(own) - (total - np.log(len(z)))))


def prior_gap(model, data, num_permutations=500, batch_size=500, seed=0):
    """Tests whether the aggregate posterior is the prior, by one draw of each for every row.

    With a p(z|x) both draws of a row share x, and the test exchanges them within rows.

    Args:
        model: a `tfcvae.VAE` or `tfcvae.CVAE`.
        data: as in `active_units`; one or two thousand rows are enough.
        num_permutations: int, the size of the null.
        batch_size: int, examples evaluated together.
        seed: int or pair of int32.

    Returns:
        A `TwoSampleTest`.

    Raises:
        ValueError: if an argument is out of its range or the data do not fit the model.
    """
    is_conditional = []

    def both(posterior, prior, rows, seed):
        q_seed, p_seed = seeds.split(seed)
        is_conditional[:] = [has_rows(prior)]
        return tf.stack([posterior.sample(seed=q_seed), draw(prior, 1, rows, p_seed)[0]], 1)

    seed = seeds.as_seed(seed)
    z = _over(model, data, both, batch_size, seed)
    null_seed = seed.numpy().view("uint32").tolist()
    return mmd_test(z[:, 0], z[:, 1], num_permutations, paired=is_conditional[0], seed=null_seed)


def _over(model, data, function, batch_size, seed=0):
    """Stacks a function of posterior, prior, number of rows and seed over all batches."""

    def of_batch(inputs, seed):
        posterior, prior = model.latent_distributions(*inputs)
        return function(posterior, prior, tf.shape(inputs[0])[0], seed)

    return over_batches(of_batch, model, data, batch_size, seed)
