"""Pictures of data, models and training runs, as `matplotlib.figure.Figure` objects.

They need no display and no closing, and notebooks show them. Images are `[n, height, width]` or
`[n, height, width, channels]` with 1 or 3 channels. Floats are drawn on the fixed range 0 to 1
(values outside are clipped); integers are read as 0 to 255, unless none exceeds 1.
"""

import io
import math
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib import color_sequences
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

HIDDEN_COLOR = (0.72, 0.80, 0.86)
_CURVE_COLORS = {"training": "#0072b2", "validation": "#d55e00"}
_LABEL_COLORS = color_sequences["petroff10"]
_MARKERS = "o^sDvP*X"
_IN_NATS = ("loss", "elbo", "reconstruction", "kl", "kl_weights", "baseline", "gsnn", "multi_scale")


class _Figure(Figure):
    """A figure that IPython can show even if nothing has imported pyplot."""

    def _repr_png_(self):
        return _png(self, dpi=100)


def reconstructions(images, reconstructions, num_images=10):
    """Draws images above their reconstructions.

    Args:
        images: Array of images.
        reconstructions: Array of the same shape.
        num_images: Integer, the largest number of images drawn; the first ones are taken.

    Returns:
        A `matplotlib.figure.Figure` with two rows.

    Raises:
        ValueError: If the arrays are not images of one shape, or `num_images` is not positive.
    """
    _check_positive("num_images", num_images)
    images = _as_images("images", images)
    reconstructions = _as_images("reconstructions", reconstructions, shape=images.shape)
    rows = [*images[:num_images], *reconstructions[:num_images]]
    return _draw_grid(rows, len(rows) // 2, row_labels=("original", "reconstructed"))


def samples(images, num_columns=None):
    """Draws a grid of images, filled row by row.

    Args:
        images: Array of images.
        num_columns: Integer. Defaults to what makes the grid square, or nearly so.

    Returns:
        A `matplotlib.figure.Figure` with one axis per image.

    Raises:
        ValueError: If `images` are not images, or `num_columns` is not positive.
    """
    images = _as_images("images", images)
    if num_columns is None:
        num_columns = math.ceil(math.sqrt(len(images)))
    _check_positive("num_columns", num_columns)
    return _draw_grid(images, min(num_columns, len(images)))


def completions(x, samples, truth, num_images=8):
    """Draws one row per input: the observed pixels, several completions, the truth.

    Args:
        x: Array of images, hidden pixels marked by -1. They are drawn in `HIDDEN_COLOR`.
        samples: Array of completed images, `[num_samples, *x.shape]`; mean images look best.
        truth: Array of complete images, of the shape of `x`.
        num_images: Integer, the largest number of inputs drawn; the first ones are taken.

    Returns:
        A `matplotlib.figure.Figure` with the columns "observed", "sample 1", ..., "truth".

    Raises:
        ValueError: If the arrays are not images of these shapes, or `num_images` is not positive.
    """
    _check_positive("num_images", num_images)
    observed = _as_images("x", x)
    samples = _as_images("samples", samples, axes="num_samples, n", shape=observed.shape)
    truth = _as_images("truth", truth, shape=observed.shape)
    hidden = np.reshape(np.asarray(x) == -1, observed.shape).any(axis=-1, keepdims=True)
    observed = np.where(hidden, HIDDEN_COLOR, observed)
    columns = [observed, *samples, truth]
    titles = ["observed", *(f"sample {i + 1}" for i in range(len(samples))), "truth"]
    images = [column[i] for i in range(min(num_images, len(observed))) for column in columns]
    return _draw_grid(images, len(columns), column_titles=titles)


def history(history):
    """Draws the training curves, one panel per term, each with its validation twin.

    A curve of fewer points than epochs (`validation_freq=k` in `fit`) is drawn at each k-th epoch.

    Args:
        history: What `fit` returns, or its `history` dictionary: names to one value per epoch.

    Returns:
        A `matplotlib.figure.Figure` with one axis per term or metric.

    Raises:
        ValueError: If `history` is neither of the two, or holds no values.
    """
    curves = getattr(history, "history", history)
    if not isinstance(curves, Mapping) or not any(map(np.size, curves.values())):
        raise ValueError(
            "`history` must be a Keras `History` or its dictionary, of at least one epoch. "
            f"Received: history={history}"
        )
    names = dict.fromkeys(name.removeprefix("val_") for name in curves)
    names = sorted(names, key=(*_IN_NATS, *names).index)
    epochs_before = (getattr(history, "epoch", None) or [0])[0]
    num_epochs = max(map(len, curves.values()))
    num_columns = min(3, len(names))
    num_rows = math.ceil(len(names) / num_columns)
    figure = _Figure(figsize=(3.4 * num_columns, 2.5 * num_rows), layout="constrained")
    for index, name in enumerate(names):
        axis = figure.add_subplot(num_rows, num_columns, index + 1, title=name)
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            values = curves.get(key, ())
            if len(values):
                interval = num_epochs // len(values)
                epochs = epochs_before + interval * np.arange(1, len(values) + 1)
                axis.plot(epochs, values, ".-", color=_CURVE_COLORS[label], label=label)
        locator = MaxNLocator(6, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
        axis.xaxis.set_major_locator(locator)
        axis.legend(frameon=False, fontsize=8)
        _style_plot(axis, "epoch", "nats" if name in _IN_NATS else "")
    return figure


def latent_scatter(z, labels=None):
    """Draws points of a two-dimensional latent space.

    Args:
        z: Array of latent points, `[n, 2]`.
        labels: Array of integers, `[n]`. Beyond ten labels colours repeat with other markers.

    Returns:
        A `matplotlib.figure.Figure` with one axis, both directions in one scale.

    Raises:
        ValueError: If `z` does not have two columns, or `labels` are not `n` integers.
    """
    z = np.asarray(z)
    if z.ndim != 2 or z.shape[1] != 2:
        raise ValueError(f"`z` must have the shape [n, 2]. Received: z.shape={z.shape}")
    labels = labels if labels is None else np.asarray(labels)
    if labels is not None and (labels.shape != z.shape[:1] or labels.dtype.kind not in "iu"):
        raise ValueError(
            f"`labels` must be one integer for each of the {len(z)} rows of `z`. "
            f"Received: labels.shape={labels.shape}, labels.dtype={labels.dtype}"
        )
    figure = _Figure(figsize=(5.0, 4.5), layout="constrained")
    axis = figure.add_subplot()
    groups = {"": z} if labels is None else {str(k): z[labels == k] for k in np.unique(labels)}
    for index, (label, points) in enumerate(groups.items()):
        repeat, color = divmod(index, len(_LABEL_COLORS))
        style = {"color": _LABEL_COLORS[color], "marker": _MARKERS[repeat % len(_MARKERS)]}
        axis.scatter(*points.T, label=label, s=12, alpha=0.8, linewidths=0, **style)
    if labels is not None:
        num_columns = math.ceil(len(groups) / 18)
        figure.legend(loc="outside right upper", ncols=num_columns, frameon=False, markerscale=1.8)
    axis.set_aspect("equal", adjustable="datalim")
    _style_plot(axis, "z1", "z2")
    return figure


def save(figure, path):
    """Writes a figure as a PNG file, complete or not at all; the same figure gives the same bytes.

    Args:
        figure: A `matplotlib.figure.Figure`.
        path: Path of the file. Missing parent directories are created.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(_png(figure, dpi=150))
    os.replace(temporary, path)


def _png(figure, dpi):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, bbox_inches="tight", metadata={"Software": None})
    return buffer.getvalue()


def _as_images(argument, values, axes="n", shape=None):
    """Returns floats from 0 to 1, `[axes, height, width, channels]`, the last four as `shape`."""
    array = np.asarray(values)
    rank = len(axes.split()) + 3
    images = array[..., np.newaxis] if array.ndim == rank - 1 else array
    is_images = images.ndim == rank and images.shape[-1] in (1, 3) and images.size > 0
    if not is_images or shape not in (None, images.shape[-4:]):
        like = f", with [n, height, width, channels] = {list(shape)}" if shape else ""
        raise ValueError(
            f"`{argument}` must be one or more images, [{axes}, height, width] or [{axes}, height, "
            f"width, channels] with 1 or 3 channels{like}. Received: {argument}.shape={array.shape}"
        )
    is_integer = images.dtype.kind in "iu"
    if not np.isfinite(images).all() or (is_integer and images.max() > 255):
        raise ValueError(
            f"`{argument}` must hold finite values, floats from 0 to 1 or integers from 0 to 255. "
            f"Received: values from {images.min()} to {images.max()}"
        )
    scale = 255.0 if is_integer and images.max() > 1 else 1.0
    return np.clip(images.astype("float32") / scale, 0.0, 1.0)


def _check_positive(argument, value):
    if not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"`{argument}` must be a positive integer. Received: {argument}={value!r}")


def _draw_grid(images, num_columns, column_titles=None, row_labels=None):
    """Draws images `[height, width, channels]` row by row, one axis each."""
    num_rows = math.ceil(len(images) / num_columns)
    height, width = images[0].shape[:2]
    size = (0.9 * num_columns, 0.9 * num_rows * height / width)
    figure = _Figure(figsize=size, layout="compressed")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.0)
    for index, image in enumerate(images):
        row, column = divmod(index, num_columns)
        axis = figure.add_subplot(num_rows, num_columns, index + 1, xticks=[], yticks=[])
        axis.imshow(image, cmap="gray", vmin=0.0, vmax=1.0)
        axis.spines[:].set(color="#cccccc", linewidth=0.5)
        if column_titles and row == 0:
            axis.set_title(column_titles[column], fontsize=8)
        if row_labels and column == 0:
            axis.set_ylabel(row_labels[row], fontsize=7)
    return figure


def _style_plot(axis, xlabel, ylabel):
    axis.set(xlabel=xlabel, ylabel=ylabel, axisbelow=True)
    axis.spines[["top", "right"]].set_visible(False)
    axis.title.set_fontsize(10)
    axis.grid(color="#e6e6e6", linewidth=0.6)
