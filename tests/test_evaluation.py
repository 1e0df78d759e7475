"""Scores over whole data sets."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfcvae
from tfcvae import evaluation, layers, sampling


@pytest.fixture(scope="module")
def vae():
    keras.utils.set_random_seed(0)
    model = tfcvae.VAE(layers.IndependentNormal(2, scale=1.2), layers.IndependentBernoulli(5))
    model.build((None, 5))
    model.encoder.set_weights([0.1 * weight for weight in model.encoder.get_weights()])
    return model


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).integers(0, 2, (23, 5)).astype("float32")


def test_mean_and_standard_error_are_those_of_the_values(vae, x):
    estimate = evaluation.log_likelihood(vae, x, 10, batch_size=7, verbose=0)
    assert estimate.values.shape == (23,)
    assert estimate.mean == pytest.approx(estimate.values.mean())
    expected = estimate.values.std(ddof=1) / np.sqrt(23)
    assert estimate.standard_error == pytest.approx(expected)


@pytest.mark.parametrize("score", [evaluation.log_likelihood, evaluation.elbo])
def test_arrays_datasets_and_seeds_agree(vae, x, score):
    first = score(vae, x, 10, batch_size=7, seed=3, verbose=0).values
    dataset = tf.data.Dataset.from_tensor_slices(x).batch(7)
    np.testing.assert_array_equal(first, score(vae, dataset, 10, seed=3, verbose=0).values)
    assert not np.array_equal(first, score(vae, x, 10, batch_size=7, seed=4, verbose=0).values)


def test_a_score_is_compiled_once_and_follows_the_model(x):
    traces = []

    class Encoder(layers.IndependentNormal):
        def call(self, inputs):
            traces.append(1)
            return super().call(inputs)

    model = tfcvae.VAE(Encoder(2), layers.IndependentBernoulli(5))

    def score():
        return evaluation.log_likelihood(model, x, 10, batch_size=7, verbose=0).mean

    first, compiled = score(), len(traces)
    assert score() == first and len(traces) == compiled
    model.decoder.set_weights([weight + 0.5 for weight in model.decoder.get_weights()])
    assert score() != first and len(traces) == compiled
    more = evaluation.log_likelihood(model, x, 11, batch_size=7, verbose=0).mean
    assert more != score() and len(traces) > compiled


def test_methods_agree_for_many_samples(vae, x):
    means = [
        evaluation.log_likelihood(vae, x, 20000, method, verbose=0).mean
        for method in ("importance", "monte_carlo")
    ]
    assert means[0] == pytest.approx(means[1], abs=0.02)


def test_bad_arguments_name_themselves(vae, x):
    with pytest.raises(ValueError, match=r"`method` must be one of.*Received: method='mcmc'"):
        evaluation.log_likelihood(vae, x, method="mcmc")
    with pytest.raises(ValueError, match=r"`num_samples`.*Received: num_samples=0"):
        evaluation.log_likelihood(vae, x, 0)
    with pytest.raises(ValueError, match=r"`x` must have shape.*Received"):
        evaluation.log_likelihood(vae, x[:, :3])
    with pytest.raises(ValueError, match=r"`x` must not be empty.*Received"):
        evaluation.log_likelihood(vae, x[:0])


@pytest.mark.parametrize(("num_samples", "rows"), [(1, 3), (7, 3), (5000, 2), (3, 3000)])
def test_no_more_rows_than_allowed_are_held_at_once(num_samples, rows):
    held = []

    def log_weights(num_draws, seed):
        held.append(int(num_draws) * rows)
        return tf.random.stateless_normal([num_draws, rows], seed)

    result = sampling.log_mean_exp(log_weights, num_samples, rows, tf.constant([0, 1]), tf.float32)
    assert result.shape == (rows,)
    assert sum(held) == num_samples * rows
    assert max(held) <= max(sampling.ROWS_AT_ONCE, rows)


def test_log_mean_exp_is_the_log_of_the_mean():
    log_w = np.random.default_rng(0).normal(scale=3, size=(3000, 2)).astype("float32")
    position = [0]

    def log_weights(num_draws, seed):
        start, position[0] = position[0], position[0] + int(num_draws)
        return tf.constant(log_w[start : position[0]])

    result = sampling.log_mean_exp(log_weights, 3000, 2, tf.constant([0, 1]), tf.float32)
    np.testing.assert_allclose(result, np.log(np.exp(log_w).mean(0)), rtol=1e-5)
