"""Images whose masks are ambiguous by a known law."""

import itertools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfcvae import seeds, shapes

_COLORS = np.array(
    [
        [0.90, 0.25, 0.20],
        [0.25, 0.75, 0.30],
        [0.25, 0.45, 0.95],
        [0.95, 0.80, 0.20],
        [0.7, 0.3, 0.8],
    ]
)
_GROUNDS = (0.15, 0.55)
_PROBABILITIES = ((0.2, 0.35, 0.5, 0.65, 0.8), (0.8, 0.65, 0.5, 0.35, 0.2))
_NOISE = 0.05


class AmbiguousShapes(NamedTuple):
    """Images, one drawn mask of each, and the law that the masks follow.

    Every image shows the same five kinds of object. Each belongs to the mask or not, independently
    of the others, with a probability of its own that depends on the image's group: 32 modes.

    Attributes:
        images: float32 `[n, height, width, 3]` in [0, 1].
        masks: float32 `[n, height, width, 1]`, zeros and ones.
        switches: bool `[n, 5]`, which objects the mask holds.
        objects: bool `[n, 5, height, width]`, where each object lies; they do not overlap.
        probabilities: float32 `[n, 5]`, of each switch.
        groups: int32 `[n]`, 0 on a dark ground and 1 on a bright one.
    """

    images: np.ndarray
    masks: np.ndarray
    switches: np.ndarray
    objects: np.ndarray
    probabilities: np.ndarray
    groups: np.ndarray

    def modes(self, rows=slice(None)):
        """All masks of some rows and their probabilities.

        Returns:
            `(masks, probabilities)`: float32 `[32, rows, height, width, 1]` and `[32, rows]`.
        """
        switches = np.array(list(itertools.product([False, True], repeat=5)))
        objects, p = self.objects[rows], self.probabilities[rows]
        masks = np.einsum("kj,njhw->knhw", switches.astype("float32"), objects.astype("float32"))
        chosen = np.where(switches[:, None], p, 1 - p)
        return masks[..., np.newaxis], chosen.prod(-1, dtype="float64").astype("float32")


def ambiguous_shapes(num_images=1000, size=(32, 32), probabilities=_PROBABILITIES, seed=0):
    """Generates images of several objects whose masks switch among 32 known modes.

    An image shows a disc, a square, a triangle, a cross and a ring, each in a color of its own, at
    random places, on a dark or a bright ground. Whether an object belongs to the mask is random,
    with a probability that the image tells: so the right answer is a distribution, and it is known.
    `datasets.draw_masks` draws the masks anew, in every epoch for example.

    Args:
        num_images: int.
        size: pair of ints, height and width, at least 16 each.
        probabilities: two sequences of five floats in (0, 1), the probability of each object on a
            dark and on a bright ground.
        seed: int.

    Returns:
        An `AmbiguousShapes`.

    Raises:
        ValueError: if an argument is out of its range.

    Reference:
        After the random flips of Cityscapes' classes in Kohl et al., A Probabilistic U-Net (2018),
        arXiv:1806.05034.
    """
    shapes.check_positive_int(num_images, "num_images")
    height, width = shapes.check_image_size(size, smallest=16)
    law = np.asarray(probabilities, "float32")
    if law.shape != (2, 5) or not np.all((law > 0) & (law < 1)):
        raise ValueError(
            "Argument `probabilities` must be two sequences of five floats in (0, 1). "
            f"Received: probabilities={probabilities}"
        )
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 2, num_images)
    objects = _place(rng, num_images, height, width)
    ground = np.array(_GROUNDS)[groups][:, None, None, None]
    images = np.broadcast_to(ground, (num_images, height, width, 3)).copy()
    for j, color in enumerate(_COLORS):
        images[objects[:, j]] = color
    images = np.clip(images + _NOISE * rng.standard_normal(images.shape), 0, 1)
    p = law[groups]
    switches = rng.random(p.shape) < p
    masks = np.any(objects & switches[:, :, None, None], axis=1)[..., np.newaxis]
    return AmbiguousShapes(
        images.astype("float32"),
        masks.astype("float32"),
        switches,
        objects,
        p,
        groups.astype("int32"),
    )


def draw_masks(objects, probabilities, seed):
    """Draws new masks of `AmbiguousShapes`, for use in a stream.

    ```python
    data = datasets.ambiguous_shapes(10_000)
    pairs = datasets.stream(
        (data.images, data.objects, data.probabilities),
        batch_size=100,
        transform=lambda x, objects, p, seed: (x, datasets.draw_masks(objects, p, seed)),
    )
    ```

    Args:
        objects: bool `[n, 5, height, width]`.
        probabilities: float `[n, 5]`.
        seed: int or int32 pair.

    Returns:
        float32 tensor `[n, height, width, 1]`.
    """
    probabilities = tf.cast(probabilities, tf.float32)
    uniform = tf.random.stateless_uniform(tf.shape(probabilities), seeds.as_seed(seed))
    switches = (uniform < probabilities)[:, :, None, None]
    return tf.cast(tf.reduce_any(objects & switches, axis=1), tf.float32)[..., None]


def _place(rng, num_images, height, width):
    """Where the objects lie: one in each of five random cells of a grid of three by two."""
    rows, columns = (2, 3) if width >= height else (3, 2)
    cell = np.array([height / rows, width / columns])
    cells = rng.permuted(np.tile(np.arange(6), (num_images, 1)), axis=1)[:, :5]
    radius = rng.uniform(0.32, 0.42, (num_images, 5)) * cell.min()
    jitter = rng.uniform(-1, 1, (num_images, 5, 2)) * (cell / 2 - radius[..., None] - 0.5)
    corner = np.stack([cells // columns, cells % columns], axis=-1) * cell
    center = corner + cell / 2 + jitter
    y = np.arange(height)[:, None] + 0.5 - center[..., :1, None]
    x = np.arange(width)[None, :] + 0.5 - center[..., 1:, None]
    y, x = (axis / radius[..., None, None] for axis in (y, x))
    distance = np.hypot(y, x)
    forms = (
        distance[:, 0] < 1,
        np.maximum(abs(y), abs(x))[:, 1] < 0.85,
        ((abs(y) < 0.9) & (2 * abs(x) < y + 0.9))[:, 2],
        ((np.minimum(abs(y), abs(x)) < 0.3) & (np.maximum(abs(y), abs(x)) < 1))[:, 3],
        ((distance < 1) & (distance > 0.5))[:, 4],
    )
    return np.stack(forms, axis=1)
