"""The deterministic point of a distribution."""

import tensorflow as tf


def center(distribution):
    """The deterministic point z* of a distribution: what a model predicts with.

    The mean where the distribution has one (so z* = E[z|x] for a normal prior network). A mixture
    takes the mean of its heaviest component (the first of equals), a flow pushes its base's center
    forward, and a `priors.SecondStage` decodes u = 0. A distribution of your own may have a method
    `center()`.

    Args:
        distribution: a `tfp.distributions.Distribution`.

    Returns:
        Tensor `[*batch_shape, *event_shape]`.
    """
    if hasattr(distribution, "center"):
        return distribution.center()
    if hasattr(distribution, "components_distribution"):
        heaviest = tf.argmax(distribution.mixture_distribution.logits_parameter(), axis=-1)
        means = center(distribution.components_distribution)
        batch_rank = means.shape.rank - 1 - distribution.event_shape.rank
        return tf.gather(means, heaviest, axis=batch_rank, batch_dims=heaviest.shape.rank)
    if "with_shape" in distribution.parameters:  # Every kind of `tfd.BatchBroadcast`.
        shape = tf.concat([distribution.batch_shape_tensor(), distribution.event_shape], 0)
        return tf.broadcast_to(center(distribution.distribution), shape)
    try:
        return distribution.mean()
    except NotImplementedError:
        if not hasattr(distribution, "bijector"):
            raise
    return distribution.bijector.forward(center(distribution.distribution))
