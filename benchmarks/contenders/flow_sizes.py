"""The flows that all contenders share: KIND DIMENSION STEPS log_prob|sample, from the command."""

import sys

HIDDEN = (128, 128)
BINS = 8
TAIL = 3.0
ROWS = 1000
KINDS = ("maf", "real_nvp", "nsf", "nsf-autoregressive")


def arguments():
    """Kind of flow, dimension, number of steps, direction, and further arguments."""
    kind, dimension, steps, direction, *rest = sys.argv[1:]
    return kind, int(dimension), int(steps), direction, *rest


def points(dimension):
    """Points to take the density of, `[ROWS, dimension]`."""
    import numpy as np

    return np.random.default_rng(0).standard_normal((ROWS, dimension)).astype("float32")
