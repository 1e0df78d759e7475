"""The log-likelihood of a whole data set."""

from typing import NamedTuple

import numpy as np

from tfcvae import shapes
from tfcvae.evaluation.batches import over_batches
from tfcvae.models import checks


class Estimate(NamedTuple):
    """A mean over examples and its standard error, in nats.

    Attributes:
        mean: float, the mean over the examples.
        standard_error: float, the standard deviation over the examples divided by the square root
            of their number.
        values: float64 array `[num_examples]`, in the order of the data.
    """

    mean: float
    standard_error: float
    values: np.ndarray


def log_likelihood(model, data, num_samples=100, method=None, batch_size=500, seed=0, verbose=1):
    """The mean of log p(x), or of log p(y|x), over a data set, by draws of z.

    An importance-sampled estimate of log p is a lower bound in expectation, tighter with more
    samples. Memory does not depend on the number of samples or of examples.

    Args:
        model: a `tfcvae.VAE` or `tfcvae.CVAE`.
        data: for a VAE an array of x, for a CVAE a tuple `(x, y)`; or a batched `tf.data.Dataset`
            of those.
        num_samples: int, draws of z for each example.
        method: `"importance"`, with draws of the posterior, or `"monte_carlo"`, with draws of the
            prior, the default and only choice for a `CVAE` with `alpha=0`.
        batch_size: int, examples evaluated together; a dataset keeps its own batches.
        seed: int or pair of int32.
        verbose: 1 for a progress bar, 0 for none.

    Returns:
        An `Estimate`: mean, standard error and the value of each example, in nats.

    Raises:
        ValueError: if an argument is out of its range or the data do not fit the model.

    Reference:
        Burda et al., Importance Weighted Autoencoders (2016), arXiv:1509.00519.
    """
    if method is None:
        method = "importance" if model.alpha > 0 else "monte_carlo"
    checks.check_method(method)
    shapes.check_positive_int(num_samples, "num_samples")

    def score(batch, seed):
        return model.log_prob(*batch, num_samples=num_samples, method=method, seed=seed)

    key = "log_prob", num_samples, method
    return estimate(over_batches(score, model, data, batch_size, seed, verbose, method, key))


def elbo(model, data, num_samples=1, batch_size=500, seed=0, verbose=1):
    """The mean evidence lower bound over a data set.

    Args:
        model: a `tfcvae.VAE` or `tfcvae.CVAE`.
        data: as in `log_likelihood`.
        num_samples: int, draws of z for each example.
        batch_size: int, examples evaluated together; a dataset keeps its own batches.
        seed: int or pair of int32.
        verbose: 1 for a progress bar, 0 for none.

    Returns:
        An `Estimate`: mean, standard error and the value of each example, in nats.

    Raises:
        ValueError: if an argument is out of its range or the data do not fit the model.
    """
    shapes.check_positive_int(num_samples, "num_samples")

    def score(batch, seed):
        return model.elbo(*batch, num_samples=num_samples, seed=seed)

    key = "elbo", num_samples
    return estimate(over_batches(score, model, data, batch_size, seed, verbose, "elbo", key))


def estimate(values):
    """The `Estimate` of the values of single examples."""
    values = np.asarray(values, "float64")
    error = values.std(ddof=1) / np.sqrt(values.size) if values.size > 1 else float("nan")
    return Estimate(float(values.mean()), float(error), values)
