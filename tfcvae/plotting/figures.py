"""What the pictures share: grids of images, checks, and writing files."""

import io
import math

import numpy as np
from matplotlib import cycler
from matplotlib.figure import Figure as _MatplotlibFigure

from tfcvae.files import replacing

COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]
STYLE = {
    "axes.prop_cycle": cycler(color=COLORS),
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.markersize": 4,
}
"""The look of all plots, for `matplotlib.pyplot.style.use`; its colours (Okabe and Ito) can be told
apart by readers who see fewer of them."""


class Figure(_MatplotlibFigure):
    """A figure that IPython can show even if nothing has imported pyplot."""

    def _repr_png_(self):
        return _png(self, dpi=100)


def save(figure, path):
    """Writes a figure as a PNG file, complete or not at all; the same figure gives the same bytes.

    Args:
        figure: A `matplotlib.figure.Figure`.
        path: Path of the file. Missing parent directories are created.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(_png(figure, dpi=150))


def _png(figure, dpi):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, bbox_inches="tight", metadata={"Software": None})
    return buffer.getvalue()


def as_images(argument, values, axes="n", shape=None):
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


def draw_grid(images, num_columns, column_titles=None, row_labels=None):
    """Draws images `[height, width, channels]` row by row, one axis each."""
    num_rows = math.ceil(len(images) / num_columns)
    height, width = images[0].shape[:2]
    size = (0.9 * num_columns, 0.9 * num_rows * height / width)
    figure = Figure(figsize=size, layout="compressed")
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
