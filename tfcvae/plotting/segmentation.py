"""Masks with several right answers."""

import numpy as np
from matplotlib import color_sequences, colormaps

from tfcvae import shapes
from tfcvae.plotting.figures import as_images, draw_grid

_CLASS_COLORS = np.array([(0.0, 0.0, 0.0), *color_sequences["petroff10"]])
_UNCERTAINTY = colormaps["viridis"]


def segmentations(x, references, samples, num_images=6, num_samples=4):
    """Draws one row per image: the input, right masks, sampled masks, and where they disagree.

    The last column is the entropy of each pixel's class over all samples: dark where they agree,
    bright where every class is as frequent.

    Args:
        x: Array of images, `[n, height, width, channels]` with 1 or 3 channels.
        references: Array of right masks, `[num_references, n, height, width, classes]`; one class
            is a binary mask, several are one-hot.
        samples: Array of sampled masks or of their probabilities, of such a shape.
        num_images: Integer, the largest number of images drawn; the first ones are taken.
        num_samples: Integer, the largest number of samples drawn; the entropy is that of all.

    Returns:
        A `matplotlib.figure.Figure` with the columns "input", "reference 1", ..., "sample 1", ...,
        "uncertainty".

    Raises:
        ValueError: If the arrays do not have these shapes, or a number is not positive.
    """
    shapes.check_positive_int(num_images, "num_images")
    shapes.check_positive_int(num_samples, "num_samples")
    x = as_images("x", x)
    references = _as_masks("references", references, x.shape)
    samples = _as_masks("samples", samples, (*x.shape[:-1], references.shape[-1]))
    drawn = samples[:num_samples]
    columns = [x, *map(_colored, references), *map(_colored, drawn), _uncertainty(samples)]
    titles = [
        "input",
        *(f"reference {i + 1}" for i in range(len(references))),
        *(f"sample {i + 1}" for i in range(len(drawn))),
        "uncertainty",
    ]
    images = [column[i] for i in range(min(num_images, len(x))) for column in columns]
    return draw_grid(images, len(columns), column_titles=titles)


def _as_masks(name, values, shape):
    values = np.asarray(values, "float32")
    if values.ndim != 5 or values.shape[1:4] != shape[:3] or 0 in values.shape:
        raise ValueError(
            f"`{name}` must be masks [num, n, height, width, classes] with [n, height, width] = "
            f"{list(shape[:3])}. Received: {name}.shape={values.shape}"
        )
    return values


def _colored(masks):
    """Binary masks in grey, classes in colors."""
    if masks.shape[-1] == 1:
        return np.clip(masks, 0, 1)
    return _CLASS_COLORS[np.argmax(masks, axis=-1) % len(_CLASS_COLORS)]


def _uncertainty(samples):
    """The entropy of each pixel's mean over the samples, as a share of the largest, in colors."""
    p = np.mean(samples, axis=0)
    p = np.concatenate([p, 1 - p], axis=-1) if p.shape[-1] == 1 else p
    p = np.clip(p, 1e-12, 1)
    entropy = -np.sum(p * np.log(p), axis=-1) / np.log(p.shape[-1])
    return _UNCERTAINTY(entropy)[..., :3]
