"""How the parts of a model are built and bound to each other."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from tfcvae.regularizers.base import weighted_mean


class Parts(NamedTuple):
    """What a model makes of a batch: the distributions of its objective, and its target."""

    posterior: Any
    prior: Any
    likelihood: Callable
    target: tf.Tensor
    baseline: Any = None
    kl_weights: Any = None


class JointLikelihood:
    """A likelihood that takes further draws of z along, in the same pass of the network.

    Two passes would update the statistics of a batch normalization twice a step. `others` is the
    log-probability at the further draws, known once that of others is.

    Args:
        likelihood: function from z to a distribution.
        further: draws, `[num_samples, batch, event_size]`.
    """

    def __init__(self, likelihood, further):
        self._likelihood = likelihood
        self._further = further

    def __call__(self, z):
        """The likelihood at z `[num_samples, batch, event_size]`."""
        joint = self._likelihood(tf.concat([z, self._further], 0))
        return _First(self, joint, tf.shape(z)[0])


class _First:
    """The distribution at the first draws of a `JointLikelihood`."""

    def __init__(self, owner, distribution, number):
        self._owner, self._distribution, self._number = owner, distribution, number
        if hasattr(distribution, "auxiliary_log_prob"):
            self.auxiliary_log_prob = distribution.auxiliary_log_prob

    def log_prob(self, y):
        log_prob = self._distribution.log_prob(y)
        self._owner.others = log_prob[self._number :]
        return log_prob[: self._number]


def multi_scale_term(name, likelihood, target, sample_weight, trainable=True):
    """Yields the term of the coarser predictions that a `layers.MultiScale` makes, if it is one."""
    if hasattr(likelihood, "auxiliary_log_prob"):
        log_prob = likelihood.auxiliary_log_prob(target)
        if log_prob.shape.rank > 1:
            log_prob = tf.reduce_mean(log_prob, 0)
        value = weighted_mean(-log_prob, sample_weight)
        yield name, value, value if trainable else None


def bind(prior, encoder, is_conditional=False):
    """Gives a prior that mixes posteriors, or the base of a flow that does, its encoder."""
    while prior is not None:
        if hasattr(prior, "bind"):
            prior.bind(encoder, is_conditional)
        prior = getattr(prior, "base", None)


def build(name, layer, input_shape):
    """Builds a layer unless it has been built before, by its user or by loading."""
    if layer.built:
        return
    try:
        layer.build(input_shape)
    except ValueError as error:
        raise ValueError(
            f"Argument `{name}` must take inputs of shape {input_shape}. Received: {error}"
        ) from error
