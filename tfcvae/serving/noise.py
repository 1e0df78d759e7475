"""Latent draws from standard normal noise that the caller brings."""

import tensorflow_probability as tfp


def can_transport(distribution):
    """Whether a distribution is normal, or a flow over a normal one."""
    while hasattr(distribution, "distribution"):
        distribution = distribution.distribution
    return isinstance(distribution, tfp.distributions.Normal)


def transport(distribution, noise):
    """Turns standard normal noise into draws of a distribution that `can_transport` accepts.

    Args:
        distribution: normal over vectors, or a flow over such a one.
        noise: `[batch, event_size]`.

    Returns:
        Tensor `[batch, event_size]`.
    """
    if hasattr(distribution, "bijector"):
        return distribution.bijector.forward(transport(distribution.distribution, noise))
    return distribution.mean() + distribution.stddev() * noise
