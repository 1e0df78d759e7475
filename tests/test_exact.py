"""Models whose answer is known in closed form."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from linear import conditional_data, least_squares_residuals, pca_data, pca_fit, train
from sklearn.decomposition import PCA

import tfcvae
from tfcvae import evaluation, layers, priors

tfd = tfp.distributions


def linear_vae(d, k, posterior=layers.IndependentNormal):
    return tfcvae.VAE(posterior(k), layers.IndependentNormal(d, scale="shared"), seed=0)


def set_exact(vae, weights, mean, s2):
    """Sets a linear VAE to the exact solution, its q(z|x) as near as its family allows."""
    d, k = weights.shape
    vae.build((None, d))
    covariance = s2 * np.linalg.inv(weights.T @ weights + s2 * np.eye(k))
    projection = covariance @ weights.T / s2
    if isinstance(vae.encoder, layers.MultivariateNormalTriL):
        scale = tf.constant(np.linalg.cholesky(covariance), tf.float32)
        raw = tfp.bijectors.FillScaleTriL(diag_shift=1e-5).inverse(scale)
    else:
        raw = np.log(np.expm1(np.sqrt(np.diag(covariance)) - 1e-5))
    kernel = np.c_[projection.T, np.zeros((d, len(raw)))]
    vae.encoder.set_weights([kernel, np.concatenate([-projection @ mean, raw])])
    raw_scale = np.log(np.expm1(np.sqrt(s2) - 1e-5))
    vae.decoder.set_weights([raw_scale, weights.T, mean])


def marginal(weights, mean, s2):
    """The distribution of x under linear weights, a mean and a noise variance."""
    covariance = weights @ weights.T + s2 * np.eye(len(weights))
    return tfd.MultivariateNormalFullCovariance(mean, covariance.astype("float32"))


def test_constants_of_the_reference_model():
    x = pca_data()
    *_, s2, best = pca_fit(x, 3)
    assert best == pytest.approx(-14.118562020, abs=1e-6)
    assert s2 == pytest.approx(0.361487, abs=1e-6)
    assert PCA(3).fit(x).score(x) == pytest.approx(best, abs=1e-5)


def test_log_prob_of_the_exact_linear_vae_is_its_density():
    x = pca_data()
    weights, mean, s2, best = pca_fit(x, 3)
    vae = linear_vae(10, 3, layers.MultivariateNormalTriL)
    set_exact(vae, weights, mean, s2)
    exact = marginal(weights, mean, s2)
    for num_samples in (1, 7):
        np.testing.assert_allclose(
            vae.log_prob(x[:50], num_samples, seed=1), exact.log_prob(x[:50]), atol=2e-4
        )
    elbo = vae.elbo(x, seed=1).numpy()
    assert elbo.mean() == pytest.approx(best, abs=0.2)
    estimate = evaluation.log_likelihood(vae, x, 2, verbose=0)
    assert estimate.mean == pytest.approx(best, abs=1e-4)


def test_a_trained_linear_vae_reaches_probabilistic_pca():
    x = pca_data()
    *_, s2, best = pca_fit(x, 3)
    vae = linear_vae(10, 3)
    train(vae, x, steps=3000, learning_rate=0.03)
    reached = evaluation.log_likelihood(vae, x, 500, verbose=0).mean
    assert best - 0.01 < reached < best + 0.002
    scale = vae.decoder(tf.zeros([1, 3])).distribution.scale
    assert float(scale) ** 2 == pytest.approx(s2, rel=0.02)


def test_a_trained_linear_cvae_reaches_pca_of_the_least_squares_residuals():
    x, y = conditional_data()
    best = pca_fit(least_squares_residuals(x, y), 2)[-1]
    assert best == pytest.approx(-6.97195, abs=1e-5)
    cvae = tfcvae.CVAE(
        layers.IndependentNormal(2),
        layers.IndependentNormal(2),
        layers.IndependentNormal(6, scale="shared"),
        seed=0,
    )
    train(cvae, x, y, steps=3000, learning_rate=0.03)
    reached = evaluation.log_likelihood(cvae, (x, y), 100, verbose=0).mean
    assert best - 0.01 < reached < best + 0.002


def test_the_importance_bound_rises_to_the_exact_value():
    x = pca_data()[:200]
    weights, mean, s2, _ = pca_fit(pca_data(), 3)
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    vae = linear_vae(10, 3)
    set_exact(vae, weights @ turn, mean, s2)
    kernel, bias = vae.encoder.get_weights()
    vae.encoder.set_weights([kernel, bias + np.repeat([0.1, 0.4], 3)])
    exact = marginal(weights, mean, s2).log_prob(x).numpy()
    biases, copies = [], 20
    for k in (1, 5, 50, 500):
        values = evaluation.log_likelihood(vae, np.tile(x, (copies, 1)), k, verbose=0).values
        errors = values.reshape(copies, -1) - exact
        biases.append(errors.mean())
        assert biases[-1] < 5 * errors.mean(1).std() / np.sqrt(copies) + 1e-3
    elbo = evaluation.elbo(vae, x, 500, verbose=0).mean - exact.mean()
    assert elbo < -0.1
    assert biases[0] == pytest.approx(elbo, abs=0.1)
    assert biases[0] < biases[1] < biases[2] < 0.01
    assert biases[3] == pytest.approx(0, abs=0.01)


def perturb(layer, size, seed=0):
    """Moves every weight off its start, where flows are the identity."""
    r = np.random.default_rng(seed)
    layer.set_weights([w + size * r.standard_normal(w.shape) for w in layer.get_weights()])


def context_network():
    return keras.layers.Dense(3, "tanh")


PRIORS = {
    "StandardNormal": lambda **kw: priors.StandardNormal(2),
    "LearnedNormal": lambda **kw: priors.LearnedNormal(2, **kw),
    "MAF": lambda **kw: priors.MAF(2, num_steps=3, hidden_units=(8, 8), **kw),
    "RealNVP": lambda **kw: priors.RealNVP(2, num_steps=3, hidden_units=(8, 8), **kw),
}


def normal_grid(limit=8.0, points=401):
    axis = np.linspace(-limit, limit, points, dtype="float32")
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    return grid, 2 * np.log(axis[1] - axis[0])


@pytest.mark.parametrize("name", ["StandardNormal", "RealNVP"])
def test_bounds_of_two_latents_against_quadrature(name):
    vae = tfcvae.VAE(
        layers.IndependentNormal(2, network=tfcvae.networks.mlp([8], "tanh"), scale=1.5),
        layers.IndependentBernoulli(6, network=tfcvae.networks.mlp([8], "tanh")),
        prior=PRIORS[name](),
        seed=0,
    )
    vae.build((None, 6))
    vae.encoder.set_weights([0.3 * w for w in vae.encoder.get_weights()])
    perturb(vae.decoder, 0.5)
    perturb(vae.prior, 0.1)
    x = np.random.default_rng(0).integers(0, 2, (20, 6)).astype("float32")
    grid, log_cell = normal_grid()
    log_prior = vae.prior_distribution().log_prob(grid) + log_cell
    assert float(tf.reduce_logsumexp(log_prior)) == pytest.approx(0, abs=1e-3)
    log_lik = vae.decode(grid[:, None]).log_prob(x)
    exact = tf.reduce_logsumexp(log_lik + log_prior[:, None], 0).numpy()
    importance = evaluation.log_likelihood(vae, x, 20000, verbose=0).values
    monte_carlo = evaluation.log_likelihood(vae, x, 20000, "monte_carlo", verbose=0).values
    elbo = evaluation.elbo(vae, x, 5000, verbose=0).values
    np.testing.assert_allclose(importance, exact, atol=0.05)
    np.testing.assert_allclose(monte_carlo, exact, atol=0.05)
    assert np.all(elbo < exact + 0.02)
    assert elbo.mean() < importance.mean() < exact.mean() + 0.02


def perturbed_prior(name, conditional, dtype="float64", rows=2):
    prior = PRIORS[name](dtype=dtype, **({"network": context_network()} if conditional else {}))
    x = tf.constant(np.random.default_rng(1).standard_normal((rows, 3)), dtype)
    prior.build((None, 3) if conditional else None)
    perturb(prior, 0.3)
    return prior(x if conditional else None)


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("name", PRIORS)
def test_densities_integrate_to_one_and_samples_follow_them(name, conditional):
    distribution = perturbed_prior(name, conditional)
    axis = np.linspace(-25, 25, 1201)
    cell = (axis[1] - axis[0]) ** 2
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    points = np.stack([grid, grid], 1) if distribution.batch_shape.rank else grid
    density = np.exp(distribution.log_prob(tf.constant(points, distribution.dtype)).numpy())
    density = density.reshape(len(grid), -1)
    np.testing.assert_allclose(density.sum(0) * cell, 1, atol=2e-3)
    draws = distribution.sample(20000, seed=(0, 1)).numpy().reshape(20000, -1, 2)
    mean = np.einsum("gb,gd->bd", density, grid) * cell
    second = np.einsum("gb,gd->bd", density, grid**2) * cell
    error = 5 * np.sqrt((second - mean**2) / 20000)
    assert np.all(np.abs(draws.mean(0) - mean) < error)
    np.testing.assert_allclose((draws**2).mean(0), second, rtol=0.15)


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("name", ["MAF", "RealNVP"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-5), ("float32", 5e-3)])
def test_flows_invert_and_their_log_determinant_is_that_of_the_jacobian(
    name, conditional, dtype, tolerance
):
    distribution = perturbed_prior(name, conditional, dtype)
    bijector = distribution.bijector
    u = tf.constant(np.random.default_rng(2).standard_normal((2, 2)), dtype)
    z = tf.identity(bijector.forward(u))
    np.testing.assert_allclose(bijector.inverse(z), u, atol=tolerance)
    with tf.GradientTape() as tape:
        tape.watch(z)
        back = bijector.inverse(z)
    jacobian = tape.batch_jacobian(back, z)
    log_det = bijector.inverse_log_det_jacobian(z, event_ndims=1)
    np.testing.assert_allclose(log_det, np.linalg.slogdet(jacobian)[1], atol=tolerance)
    expected = distribution.distribution.log_prob(back) + log_det
    np.testing.assert_allclose(distribution.log_prob(z), expected, rtol=1e-5)


def test_loss_and_gradient_do_not_depend_on_the_batch_size():
    x = np.random.default_rng(0).integers(0, 2, (64, 5)).astype("float32")
    vae = tfcvae.VAE(
        layers.IndependentNormal(2, network=tfcvae.networks.mlp([4], "tanh"), scale=1e-6),
        layers.IndependentBernoulli(5, network=tfcvae.networks.mlp([4], "tanh")),
        seed=0,
    )
    vae.compile("sgd")
    vae.build((None, 5))

    def loss_and_gradient(batch):
        with tf.GradientTape() as tape:
            vae(batch)
            loss = vae.compute_loss(x=batch)
        return [loss, *tape.gradient(loss, vae.trainable_weights)]

    whole = loss_and_gradient(tf.constant(x))
    parts = [loss_and_gradient(tf.constant(x[i : i + 4])) for i in range(0, 64, 4)]
    for expected, *pieces in zip(whole, *parts):
        np.testing.assert_allclose(np.mean(pieces, 0), expected, rtol=1e-4, atol=1e-5)
    full = vae.evaluate(x, batch_size=64, verbose=0)
    small = vae.evaluate(x, batch_size=4, verbose=0)
    np.testing.assert_allclose(small, full, rtol=1e-5)
