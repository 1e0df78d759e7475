"""How often a model chooses each of several right answers."""

from typing import NamedTuple

import numpy as np

from tfcvae.evaluation.masks import pairwise_iou


class ModeFrequencies(NamedTuple):
    """How often a model chose each known mode, against how often it should.

    Attributes:
        frequencies: float64 `[num_modes]`, the share of the samples nearest to each mode.
        expected: float64 `[num_modes]`, the mean of the known probabilities.
        total_variation: float, half the sum of their absolute differences.
        kl: float, the divergence KL(frequencies || expected) in nats.
        num_samples: int, how many samples were counted.
    """

    frequencies: np.ndarray
    expected: np.ndarray
    total_variation: float
    kl: float
    num_samples: int


def mode_frequencies(samples, modes, probabilities, groups=None):
    """Compares the modes that samples fall into with their known probabilities.

    A sample belongs to the mode of its image with the largest IoU (the first of several). Two empty
    masks have an IoU of 1, an empty mode and any other sample of 0: a sample with a single pixel
    on belongs to the mode that has it, if any does, and not to an empty one.

    Args:
        samples: masks or probabilities `[num_samples, batch, height, width(, classes)]`.
        modes: masks `[num_modes, batch, height, width(, classes)]`, as of `AmbiguousShapes.modes`.
        probabilities: array `[num_modes, batch]`, which sum to 1 over the modes.
        groups: array `[batch]`; images of one group, which should have equal probabilities, are
            also counted by themselves.

    Returns:
        A `ModeFrequencies` pooled over the batch; with `groups` a dict of it under `"pooled"` and
        one for each group.

    Raises:
        ValueError: if the shapes do not fit or the probabilities do not sum to 1.
    """
    probabilities = np.asarray(probabilities, "float64")
    nearest = np.argmax(pairwise_iou(samples, modes), axis=-1)
    if probabilities.shape != (len(modes), len(nearest)) or not np.allclose(
        probabilities.sum(0), 1, atol=1e-4
    ):
        raise ValueError(
            f"Argument `probabilities` must have shape {(len(modes), len(nearest))} and sum to 1 "
            f"over the modes. Received: shape {probabilities.shape}"
        )

    def compare(rows):
        counts = np.bincount(nearest[rows].ravel(), minlength=len(modes))
        frequencies, expected = counts / counts.sum(), probabilities[:, rows].mean(1)
        some = frequencies > 0
        with np.errstate(divide="ignore"):
            ratios = np.log(frequencies[some] / expected[some])
        return ModeFrequencies(
            frequencies,
            expected,
            float(0.5 * np.abs(frequencies - expected).sum()),
            float(np.sum(frequencies[some] * ratios)),
            int(counts.sum()),
        )

    pooled = compare(np.ones(len(nearest), bool))
    if groups is None:
        return pooled
    groups = np.asarray(groups)
    if groups.shape != (len(nearest),):
        raise ValueError(
            f"Argument `groups` must have shape {(len(nearest),)}. Received: {groups.shape}"
        )
    return {"pooled": pooled, **{g: compare(groups == g) for g in np.unique(groups).tolist()}}
