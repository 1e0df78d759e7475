"""The aggregate posterior of a model over its prior."""

import numpy as np
import tensorflow as tf

from tfcvae import seeds, shapes
from tfcvae.layers import center
from tfcvae.plotting.curves import style_plot
from tfcvae.plotting.figures import COLORS, Figure
from tfcvae.sampling import draw, has_rows

_PRIOR, _POSTERIOR = COLORS[:2]
_GRID = 120


def latents(model, data, num_dimensions=4, seed=0):
    """Draws z ~ q over a data set together with the prior.

    Two latent dimensions are one panel, with the density of p(z) as contours. More are a pair plot
    of those whose posterior means vary most, with draws of both distributions and their histograms
    on the diagonal; so is a p(z|x), whose draws are one for each row.

    Args:
        model: a `tfcvae.VAE` or `tfcvae.CVAE`.
        data: for a VAE an array of x, for a CVAE a tuple `(x, y)`; a thousand rows are plenty.
        num_dimensions: int, the largest number of dimensions of a pair plot.
        seed: int or pair of int32.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: if the data do not fit the model, or it has no recognition network.
    """
    shapes.check_positive_int(num_dimensions, "num_dimensions")
    arrays = data if isinstance(data, tuple) else (data,)
    posterior, prior = model.latent_distributions(*(tf.convert_to_tensor(a) for a in arrays))
    q_seed, p_seed = seeds.split(seeds.as_seed(seed))
    z = posterior.sample(seed=q_seed).numpy()
    if z.shape[1] == 2 and not has_rows(prior):
        return _density(z, prior)
    of_prior = draw(prior, 1, len(z), p_seed)[0].numpy()
    variances = tf.math.reduce_variance(center(posterior), 0).numpy()
    shown = np.sort(np.argsort(-variances)[:num_dimensions])
    return _pairs(z[:, shown], of_prior[:, shown], shown + 1)


def _density(z, prior):
    """Points over the contours of a density."""
    low, high = np.minimum(z.min(0), -3), np.maximum(z.max(0), 3)
    sides = [np.linspace(a, b, _GRID) for a, b in zip(low - 0.3, high + 0.3)]
    grid = np.stack(np.meshgrid(*sides), -1).astype(z.dtype)
    values = prior.prob(grid.reshape(-1, 2)).numpy().reshape(_GRID, _GRID)
    figure = Figure(figsize=(5.0, 4.5), layout="constrained")
    axis = figure.add_subplot()
    filled = axis.contourf(*sides, values, levels=9, cmap="Blues")
    figure.colorbar(filled, label="p(z)", shrink=0.8)
    axis.scatter(*z.T, s=6, alpha=0.6, color=_POSTERIOR, linewidths=0, label="z ~ q(z|x)")
    axis.legend(frameon=False, loc="upper right")
    axis.set_aspect("equal")
    style_plot(axis, "z1", "z2")
    return figure


def _pairs(z, of_prior, names):
    """Scatter plots below the diagonal, histograms on it."""
    count = len(names)
    figure = Figure(figsize=(1.9 * count + 1.0, 1.9 * count), layout="constrained")
    style = {"s": 5, "alpha": 0.4, "linewidths": 0}
    for row in range(count):
        for column in range(row + 1):
            axis = figure.add_subplot(count, count, row * count + column + 1)
            for values, color, label in ((of_prior, _PRIOR, "prior"), (z, _POSTERIOR, "posterior")):
                if row == column:
                    bins = np.histogram_bin_edges(np.r_[z[:, row], of_prior[:, row]], 30)
                    axis.hist(values[:, row], bins, color=color, histtype="step", label=label)
                    axis.set_yticks([])
                else:
                    axis.scatter(values[:, column], values[:, row], color=color, **style)
            last, first = row == count - 1, column == 0 and row > 0
            style_plot(axis, f"z{names[column]}" if last else "", f"z{names[row]}" if first else "")
    handles = figure.axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="upper right", frameon=False)
    return figure
