"""Several predicted masks for each image, against one or several right ones."""

import math

import numpy as np
from scipy.optimize import linear_sum_assignment

from tfcvae.evaluation.masks import as_masks, as_pair, masks_iou, pairwise_iou

ESTIMATORS = ("unbiased", "v_statistic")
KINDS = ("draws", "population")


def generalized_energy_distance(
    samples,
    references,
    distance="iou",
    estimator="unbiased",
    references_are="draws",
    reference_weights=None,
):
    """The squared generalized energy distance between predicted and right masks of each image.

    `2 E d(S, Y) - E d(S, S') - E d(Y, Y')` for independent samples S, S' and references Y, Y'. It
    is 0 if both follow one law, and grows with their difference.

    Args:
        samples: masks or probabilities `[num_samples, batch, height, width(, classes)]`.
        references: masks `[num_references, batch, height, width(, classes)]`.
        distance: `"iou"` for d = 1 - IoU, 0 for two empty masks, or a function of two arrays
            `[num, batch, height, width(, classes)]` that returns distances `[batch, num_1, num_2]`.
        estimator: `"unbiased"` leaves out the pairs of a draw with itself, and may be negative;
            `"v_statistic"` counts them, as published figures do: an exact sampler then scores
            D (1/m + 1/n) instead of 0 for m samples and n references of mean distance D.
        references_are: `"draws"` of the right law, or the whole `"population"` of right masks,
            whose pairs all count.
        reference_weights: array `[num_references]` or `[num_references, batch]`, the probabilities
            of a population; equal if `None`.

    Returns:
        float64 array `[batch]`. Report the number of samples with it.

    Raises:
        ValueError: if an argument is out of its range, or fewer than two draws are given where the
            unbiased estimator needs pairs.

    Reference:
        Székely and Rizzo, Energy statistics (2013), Journal of Statistical Planning and Inference
        143; for masks Kohl et al., A Probabilistic U-Net (2018), arXiv:1806.05034.
    """
    _check_choice("estimator", estimator, ESTIMATORS)
    _check_choice("references_are", references_are, KINDS)
    if distance == "iou":
        samples, references = as_pair("samples", samples, "references", references, axes=2)
    elif not callable(distance):
        raise ValueError(
            f'Argument `distance` must be "iou" or a function. Received: distance={distance!r}'
        )
    else:
        samples, references = np.asarray(samples), np.asarray(references)
        _check_batches(samples, references)
    d = distance if callable(distance) else lambda a, b: 1 - masks_iou(a, b)
    num_references, batch = references.shape[:2]
    drawn = references_are == "draws"
    weights = _weights(reference_weights, num_references, batch, drawn)
    across = np.einsum("bij,jb->b", d(samples, references), weights) / len(samples)
    unbiased = estimator == "unbiased"
    within = _mean_of_pairs(d(samples, samples), "samples", unbiased)
    among = d(references, references)
    if drawn:
        return 2 * across - within - _mean_of_pairs(among, "references", unbiased)
    return 2 * across - within - np.einsum("bij,ib,jb->b", among, weights, weights)


def hungarian_iou(samples, references):
    """The mean IoU of the best one-to-one matching of samples and references of each image.

    If their numbers differ, both are repeated to the least common multiple. Two empty masks have an
    IoU of 1.

    Args:
        samples: masks or probabilities `[num_samples, batch, height, width(, classes)]`.
        references: masks `[num_references, batch, height, width(, classes)]`.

    Returns:
        float64 array `[batch]`.

    Raises:
        ValueError: if the shapes do not fit.

    Reference:
        Kohl et al., A Hierarchical Probabilistic U-Net (2019), arXiv:1905.13077.
    """
    iou = pairwise_iou(samples, references)
    _, m, n = iou.shape
    common = math.lcm(m, n)
    repeated = iou.repeat(common // m, axis=1).repeat(common // n, axis=2)
    return np.array([matrix[linear_sum_assignment(-matrix)].mean() for matrix in repeated])


def sample_diversity(samples):
    """The mean distance 1 - IoU between two different samples of each image, 0 for empty ones.

    Args:
        samples: masks or probabilities `[num_samples >= 2, batch, height, width(, classes)]`.

    Returns:
        float64 array `[batch]`, 0 for samples that all agree.
    """
    samples = as_masks("samples", samples, axes=2)
    return _mean_of_pairs(1 - masks_iou(samples, samples), "samples", unbiased=True)


def _check_batches(samples, references):
    if min(samples.ndim, references.ndim) < 2 or samples.shape[1] != references.shape[1]:
        raise ValueError(
            "Arguments `samples` and `references` must have shapes [num, batch, ...] with equal "
            f"batches. Received: shapes {samples.shape} and {references.shape}"
        )


def _check_choice(name, value, choices):
    if value not in choices:
        raise ValueError(f"Argument `{name}` must be one of {choices}. Received: {name}={value!r}")


def _weights(weights, num_references, batch, drawn):
    """`[num_references, batch]`, summing to 1."""
    if weights is None:
        return np.full((num_references, batch), 1 / num_references)
    weights = np.asarray(weights, "float64")
    shaped = weights.shape in ((num_references,), (num_references, batch))
    if drawn or not shaped or np.any(weights < 0) or not np.allclose(weights.sum(0), 1, atol=1e-4):
        raise ValueError(
            "Argument `reference_weights` must be the probabilities of a population, of shape "
            f"{(num_references,)} or {(num_references, batch)}, sum 1. Received: shape "
            f"{weights.shape} with references_are={'draws' if drawn else 'population'!r}"
        )
    weights = weights / weights.sum(0)
    return np.broadcast_to(weights.reshape(num_references, -1), (num_references, batch))


def _mean_of_pairs(distances, name, unbiased):
    """The mean over pairs `[batch, num, num]` of one set, unbiased without its diagonal."""
    num = distances.shape[-1]
    if not unbiased:
        return distances.mean((1, 2))
    if num < 2:
        raise ValueError(
            f"Argument `{name}` must hold two draws or more for pairs of them. Received: {num}"
        )
    off = ~np.eye(num, dtype=bool)
    return distances[:, off].mean(-1)
