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
