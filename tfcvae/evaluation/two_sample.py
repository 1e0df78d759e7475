"""Whether two samples come from one distribution."""

from typing import NamedTuple

import numpy as np

from tfcvae import shapes
from tfcvae.regularizers import mmd

SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)


class TwoSampleTest(NamedTuple):
    """The outcome of `mmd_test`.

    Attributes:
        statistic: float, the squared maximum mean discrepancy, near 0 for equal distributions; as
            a U-statistic it may be negative.
        p_value: float, the share of the null that is at least as large.
        null: float64 `[num_permutations]`, the statistic when the samples are mixed at random.
    """

    statistic: float
    p_value: float
    null: np.ndarray


def mmd_test(first, second, num_permutations=500, paired=False, seed=0):
    """Tests by the maximum mean discrepancy whether two samples have one distribution.

    The kernel is a sum of Gaussians `exp(-d^2 / (s * m))`, m the median of the squared distances
    in the pooled sample. The null distribution comes from random relabelling.

    Args:
        first: `[n, size]`, n at least 2.
        second: `[n, size]`.
        num_permutations: int, the size of the null; the smallest p-value is `1 / (1 +
            num_permutations)`.
        paired: bool; `True` if row i of both samples belongs together, such as two draws for one
            x. Labels are then exchanged within pairs, and a pair is not compared with itself.
        seed: int or sequence of ints, of the relabelling.

    Returns:
        A `TwoSampleTest`.

    Raises:
        ValueError: if the samples differ in shape or have fewer than 2 rows.

    Reference:
        Gretton et al., A Kernel Two-Sample Test (JMLR 2012).
    """
    first, second = np.asarray(first, "float64"), np.asarray(second, "float64")
    if first.ndim != 2 or first.shape != second.shape or len(first) < 2:
        raise ValueError(
            "Arguments `first` and `second` must have the same shape [n, size], with n >= 2. "
            f"Received: shapes {first.shape} and {second.shape}"
        )
    shapes.check_positive_int(num_permutations, "num_permutations")
    n, pooled = len(first), np.concatenate([first, second])
    d2 = mmd.squared_distances(pooled, pooled).numpy()
    median = np.median(d2[np.triu_indices(2 * n, 1)])
    kernel = sum(mmd.gaussian(d2, s * max(median, 1e-12)) for s in SCALES).numpy()
    np.fill_diagonal(kernel, 0)
    if paired:
        rows = np.arange(n)
        kernel[rows, rows + n] = kernel[rows + n, rows] = 0
    labels = _labels(n, num_permutations, paired, np.random.default_rng(seed))
    within_first = np.sum(labels * (kernel @ labels), 0)
    within_second = np.sum((1 - labels) * (kernel @ (1 - labels)), 0)
    across = (kernel.sum() - within_first - within_second) / 2
    pairs = n * (n - 1)
    statistics = (within_first + within_second) / pairs - 2 * across / (pairs if paired else n * n)
    statistic, null = float(statistics[0]), statistics[1:]
    p_value = (1 + np.sum(null >= statistic)) / (1 + num_permutations)
    return TwoSampleTest(statistic, float(p_value), null)


def _labels(n, num_permutations, paired, rng):
    """Columns of ones for the rows of the first sample; the first column is the data's own."""
    own = np.repeat([1.0, 0.0], n)
    if not paired:
        return np.stack([own, *(rng.permutation(own) for _ in range(num_permutations))], 1)
    kept = rng.random((n, num_permutations)) < 0.5
    return np.concatenate([own[:, None], np.concatenate([kept, ~kept]).astype("float64")], 1)
