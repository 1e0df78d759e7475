"""Linear Gaussian models, their data and their answers by formulas."""

import keras
import numpy as np

import tfcvae


def pca_data():
    """The 1,000 points in 10 dimensions of the probabilistic PCA tests."""
    r = np.random.default_rng(0)
    z, w = r.standard_normal((1000, 3)), r.standard_normal((10, 3))
    return (z @ w.T + 0.6 * r.standard_normal((1000, 10))).astype("float32")


def pca_fit(x, k):
    """Weights, mean, variance and mean log-likelihood of probabilistic PCA by its formulas."""
    values, vectors = np.linalg.eigh(np.cov(x.astype("float64").T, bias=True))
    values, vectors = values[::-1], vectors[:, ::-1]
    d, s2 = x.shape[1], values[k:].mean()
    weights = vectors[:, :k] * np.sqrt(values[:k] - s2)
    terms = [d * np.log(2 * np.pi), np.log(values[:k]).sum(), (d - k) * np.log(s2), d]
    return weights, x.mean(0), s2, -0.5 * sum(terms)


def conditional_data():
    """The 5,000 pairs of the linear conditional tests."""
    r = np.random.default_rng(1)
    x, a, b = r.standard_normal((5000, 3)), r.standard_normal((6, 3)), r.standard_normal((6, 2))
    y = x @ a.T + r.standard_normal((5000, 2)) @ b.T + 0.5 * r.standard_normal((5000, 6))
    return x.astype("float32"), y.astype("float32")


def least_squares_residuals(x, y):
    """What a linear map of x leaves of y."""
    inputs = np.c_[x, np.ones(len(x))]
    return y - inputs @ np.linalg.lstsq(inputs, y, rcond=None)[0]


def train(model, *data, steps, learning_rate):
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    model.compile(keras.optimizers.Adam(schedule), jit_compile=True, steps_per_execution=50)
    arrays = data if len(data) > 1 else data[0]
    stream = tfcvae.datasets.stream(arrays, batch_size=200)
    model.fit(stream, steps_per_epoch=steps, shuffle=False, verbose=0)
