"""Garments on cluttered grounds, partly hidden."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from tfcvae import shapes
from tfcvae.datasets.loaders import Splits, fashion_mnist
from tfcvae.datasets.masks import one_hot_masks

_SIDE = 28
_NUM_CLASSES = 11
_NUM_PIECES = 10


class Segmentation(NamedTuple):
    """Images `[n, height, width, channels]` and their masks `[n, height, width, classes]`."""

    images: np.ndarray
    masks: np.ndarray


def occluded_garments(
    num_images=(10_000, 1_000, 1_000), size=(40, 40), classes=False, directory=None, seed=0
):
    """Fashion-MNIST garments on cluttered grounds, behind occluding blocks.

    The mask is the whole garment, its hidden part too: of that part the image tells only so much.
    The clutter is made of darkened pieces of other garments of the same split; the one to three
    blocks in front are plain.

    Args:
        num_images: three ints, for train, validation and test; at most 50,000, 10,000 and 10,000.
        size: pair of ints, height and width, at least 28 each.
        classes: `False` for binary masks, `True` for one-hot masks of 11 classes: the ground, then
            the ten kinds of garment.
        directory: as in `fashion_mnist`.
        seed: int.

    Returns:
        `Splits` of `Segmentation`s: images `[n, height, width, 1]` in [0, 1] and masks
        `[n, height, width, 1]` or `[n, height, width, 11]`, float32.

    Raises:
        ValueError: if an argument is out of its range, or as in `fashion_mnist`.
        ConnectionError: as in `fashion_mnist`.
    """
    size = shapes.check_image_size(size, smallest=_SIDE)
    numbers = shapes.as_event_shape(num_images, "num_images")
    splits = fashion_mnist(directory)
    lengths = [len(split.labels) for split in splits]
    if len(numbers) != 3 or any(n > m for n, m in zip(numbers, lengths)):
        raise ValueError(
            f"Argument `num_images` must be three ints of at most {lengths}. "
            f"Received: num_images={num_images}"
        )
    rngs = np.random.default_rng(seed).spawn(3)
    return Splits(
        *(_scenes(split, n, size, classes, rng) for split, n, rng in zip(splits, numbers, rngs))
    )


def _scenes(split, num_images, size, classes, rng):
    height, width = size
    garments = split.images[..., 0]
    images = np.empty((num_images, height, width), "float32")
    masks = np.zeros((num_images, height, width), "int32")
    chosen = rng.permutation(len(garments))[:num_images]
    for image, mask, index in zip(images, masks, chosen):
        image[:] = rng.uniform(0, 0.4)
        for _ in range(_NUM_PIECES):
            y, x = _rectangle(rng, (8, 21), (_SIDE, _SIDE))
            piece = garments[rng.integers(len(garments))][y, x]
            top, left = rng.integers(0, np.array(size) - piece.shape + 1)
            image[top : top + piece.shape[0], left : left + piece.shape[1]] = 0.5 * piece
        garment = garments[index]
        outline = ndimage.binary_fill_holes(garment > 0.05)
        top, left = rng.integers(0, height - _SIDE + 1), rng.integers(0, width - _SIDE + 1)
        inside = (slice(top, top + _SIDE), slice(left, left + _SIDE))
        image[inside][outline] = garment[outline]
        mask[inside][outline] = 1 + split.labels[index]
        for _ in range(rng.integers(1, 4)):
            image[inside][_rectangle(rng, (8, 16), (_SIDE, _SIDE))] = rng.uniform(0, 1)
    images = np.clip(images + rng.normal(0, 0.02, images.shape), 0, 1).astype("float32")
    if classes:
        return Segmentation(images[..., None], one_hot_masks(masks, _NUM_CLASSES))
    return Segmentation(images[..., None], (masks > 0).astype("float32")[..., None])


def _rectangle(rng, sides, size):
    """The slices of a random rectangle inside a window, its sides in a range."""
    height, width = rng.integers(*sides, 2)
    top, left = rng.integers(0, np.array(size) - (height, width) + 1)
    return slice(top, top + height), slice(left, left + width)
