"""Training curves and latent spaces."""

import math
from collections.abc import Mapping

import numpy as np
from matplotlib import color_sequences
from matplotlib.ticker import MaxNLocator

from tfcvae.plotting.figures import COLORS, STYLE, Figure

_CURVE_COLORS = dict(zip(("training", "validation"), COLORS))
_LABEL_COLORS = color_sequences["petroff10"]
_MARKERS = "o^sDvP*X"
_IN_NATS = (
    "loss",
    "elbo",
    "reconstruction",
    "kl",
    "kl_weights",
    "importance_bound",
    "baseline",
    "gsnn",
    "hybrid",
    "multi_scale",
    "baseline_multi_scale",
)


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
    figure = Figure(figsize=(3.4 * num_columns, 2.5 * num_rows), layout="constrained")
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
        style_plot(axis, "epoch", "nats" if name in _IN_NATS else "")
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
    figure = Figure(figsize=(5.0, 4.5), layout="constrained")
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
    style_plot(axis, "z1", "z2")
    return figure


def style_plot(axis, xlabel, ylabel):
    """Gives an axis the look of all plots."""
    axis.set(xlabel=xlabel, ylabel=ylabel, axisbelow=STYLE["axes.axisbelow"])
    axis.spines[["top", "right"]].set_visible(False)
    axis.title.set_fontsize(STYLE["axes.titlesize"])
    axis.grid(color=STYLE["grid.color"], linewidth=STYLE["grid.linewidth"])
