"""The terms of the objectives: the bound with its regularizers, the GSNN, and the hybrid."""

import tensorflow as tf

from tfcvae import seeds
from tfcvae.models.wiring import JointLikelihood, multi_scale_term
from tfcvae.regularizers import KL, Regularizer, kl_divergence
from tfcvae.regularizers.base import weighted_mean
from tfcvae.sampling import doubly_reparameterized


def elbo_terms(model, parts, sample_weight, step, seed):
    """Yields each term's name, its unweighted value, and what it adds to the loss or `None`.

    Args:
        model: a `LatentVariableModel`, whose settings say what belongs to the objective.
        parts: the `Parts` of a batch.
        sample_weight: `[batch]` or `None`.
        step: int64 tensor, the optimizer's.
        seed: int32 pair, the replica's own.
    """
    posterior, prior, target = parts.posterior, parts.prior, parts.target
    own_seeds = seeds.split(seed, 1 + len(model.regularizers))
    z = posterior.sample(model.num_samples, seed=own_seeds[0])
    if model.importance_weighted:
        likelihood, log_lik, bound, loss = doubly_reparameterized(
            posterior, prior, parts.likelihood, z, target
        )
        loss = -weighted_mean(loss, sample_weight)
        yield "importance_bound", weighted_mean(bound, sample_weight), loss
    else:
        likelihood = parts.likelihood(z)
        log_lik = likelihood.log_prob(target)
    reconstruction = _negative_mean(log_lik, sample_weight)
    loss = None if model.importance_weighted else reconstruction
    for regularizer in model.regularizers:
        if hasattr(regularizer, "constrain"):
            multiplier, loss = regularizer.constrain(reconstruction)
            yield regularizer.name, multiplier, None
    yield "reconstruction", reconstruction, loss
    kl, kl_loss = None, None
    for regularizer, own_seed in zip(model.regularizers, own_seeds[1:]):
        if hasattr(regularizer, "constrain"):
            continue
        arguments = {"step": step, "seed": own_seed, "sample_weight": sample_weight}
        if isinstance(regularizer, Regularizer):
            value = regularizer.penalty(posterior, prior, z, **arguments)
            loss = regularizer.weight_at(step, value.dtype) * value
            if isinstance(regularizer, KL) and model.importance_weighted:
                loss = None
        else:
            value = loss = regularizer(posterior, prior, z, **arguments)
        if regularizer.name != "kl":
            yield regularizer.name, value, loss
            continue
        kl_loss = loss
        if isinstance(regularizer, KL) and regularizer.is_raw:
            kl = value
    if kl is None:
        kl = weighted_mean(kl_divergence(posterior, prior, z), sample_weight)
    yield "kl", kl, kl_loss
    elbo = -(reconstruction + kl)
    yield "elbo", elbo if parts.kl_weights is None else elbo - parts.kl_weights, None
    if model.importance_weighted and hasattr(likelihood, "auxiliary_log_prob"):
        likelihood = parts.likelihood(z)
    yield from multi_scale_term("multi_scale", likelihood, target, sample_weight)


def gsnn_terms(parts, z, sample_weight):
    """Yields the terms of a Gaussian stochastic neural network, like `elbo_terms`.

    Args:
        parts: the `Parts` of a batch.
        z: draws of the prior, `[num_samples, batch, event_size]`.
        sample_weight: `[batch]` or `None`.
    """
    likelihood = parts.likelihood(z)
    gsnn = _negative_mean(likelihood.log_prob(parts.target), sample_weight)
    yield "gsnn", gsnn, gsnn
    yield from multi_scale_term("multi_scale", likelihood, parts.target, sample_weight)


def hybrid_terms(model, parts, z, sample_weight, step, seed):
    """Yields the terms of the hybrid objective, `alpha` of the bound and the rest of the GSNN.

    Args:
        model, parts, sample_weight, step, seed: as in `elbo_terms`.
        z: draws of the prior, `[num_samples, batch, event_size]`.
    """
    joint = JointLikelihood(parts.likelihood, z)
    parts = parts._replace(likelihood=joint)
    bound, name_of_bound = None, "importance_bound" if model.importance_weighted else "elbo"
    for name, value, loss in elbo_terms(model, parts, sample_weight, step, seed):
        weight = 1.0 if name == "multi_scale" else model.alpha
        yield name, value, None if loss is None else weight * loss
        bound = value if name == name_of_bound else bound
    gsnn = _negative_mean(joint.others, sample_weight)
    yield "gsnn", gsnn, (1.0 - model.alpha) * gsnn
    hybrid = model.alpha * bound - (1.0 - model.alpha) * gsnn
    if parts.kl_weights is not None:
        subtracted = 0.0 if model.importance_weighted else model.alpha
        hybrid -= (1.0 - subtracted) * parts.kl_weights
    yield "hybrid", hybrid, None


def _negative_mean(log_lik, sample_weight):
    """The negative mean of log-likelihoods `[num_samples, batch]` over draws and rows."""
    return weighted_mean(-tf.reduce_mean(log_lik, 0), sample_weight)
