"""What the latent variables carry, where the answer is known."""

import warnings

import constructors
import keras
import numpy as np
import pytest
import tensorflow as tf

import tfcvae
from tfcvae import callbacks, evaluation, layers, plotting, priors, regularizers, schedules

X = np.random.default_rng(0).normal(size=(2000, 3)).astype("float32")
SLOPES, SCALE = np.array([1.0, 0.5, 0.0]), 0.5


def linear_vae():
    """q(z|x) = N(slopes * x, 0.5^2): z_3 ignores x."""
    model = tfcvae.VAE(
        layers.IndependentNormal(3, scale=SCALE), layers.IndependentNormal(3, scale=1.0), seed=0
    )
    model.build(X.shape)
    model.encoder.set_weights([np.diag(SLOPES), np.zeros(3)])
    return model


def test_active_units_are_those_whose_mean_varies():
    found = evaluation.active_units(linear_vae(), X, batch_size=300)
    assert found.count == 2
    np.testing.assert_allclose(found.variances, (SLOPES * X).var(0), 1e-4)


def test_units_of_a_cvae_that_follow_the_prior_are_not_active():
    model = constructors.cvae()
    x, y = constructors.DATA, constructors.TARGET
    model.build(x.shape)
    found = evaluation.active_units(model, (x, y))
    difference = model.recognize(x, y).mean() - model.prior_distribution(x).mean()
    np.testing.assert_allclose(found.variances, np.var(difference, 0), 1e-4)


def test_the_kl_of_each_dimension():
    found = evaluation.kl_per_dimension(linear_vae(), X)
    expected = 0.5 * (SCALE**2 + ((SLOPES * X) ** 2).mean(0) - 1) - np.log(SCALE)
    np.testing.assert_allclose(found, expected, 1e-4)
    flow = constructors.vae(prior=priors.MAF(2, **constructors.FLOW))
    with pytest.raises(ValueError, match="independent dimensions"):
        evaluation.kl_per_dimension(flow, constructors.DATA)


def test_mutual_information_of_a_linear_encoder():
    """Normal x: I(x; z) = 1/2 sum log(1 + slope^2 / scale^2), and at most log N for N rows."""
    expected = 0.5 * np.log1p(SLOPES**2 / SCALE**2).sum()
    assert evaluation.mutual_information(linear_vae(), X, 300) == pytest.approx(expected, abs=0.05)
    sharp = tfcvae.VAE(
        layers.IndependentNormal(3, scale=1e-3), layers.IndependentNormal(3, scale=1.0), seed=0
    )
    assert evaluation.mutual_information(sharp, X[:50]) == pytest.approx(np.log(50), abs=1e-3)
    with pytest.raises(ValueError, match="`tfcvae.VAE`"):
        evaluation.mutual_information(constructors.cvae(), constructors.DATA)


# ---- The two-sample test --------------------------------------------------------------------


def brute_force(first, second, kernel, paired):
    """The U-statistic by its definition."""
    n = len(first)
    total = 0.0
    for i in range(n):
        for j in range(n):
            if i != j:
                total += kernel(first[i], first[j]) + kernel(second[i], second[j])
                if paired:
                    total -= 2 * kernel(first[i], second[j])
    total /= n * (n - 1)
    if not paired:
        total -= 2 * np.mean([[kernel(a, b) for b in second] for a in first])
    return total


@pytest.mark.parametrize("paired", [False, True])
def test_the_statistic_against_its_definition(paired):
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 8, 2))
    pooled = np.concatenate([first, second])
    d2 = ((pooled[:, None] - pooled) ** 2).sum(-1)
    median = np.median(d2[np.triu_indices(16, 1)])

    def kernel(a, b):
        return sum(np.exp(-((a - b) ** 2).sum() / (s * median)) for s in (0.25, 0.5, 1, 2, 4))

    found = evaluation.mmd_test(first, second, 10, paired)
    assert found.statistic == pytest.approx(brute_force(first, second, kernel, paired), abs=1e-12)
    assert found.null.shape == (10,)


@pytest.mark.parametrize("paired", [False, True])
def test_p_values_are_uniform_under_the_null_and_small_otherwise(paired):
    rng = np.random.default_rng(1)
    p_values = []
    for _ in range(60):
        shared = rng.normal(size=(40, 2)) * (1.0 if paired else 0.0)
        first, second = shared + rng.normal(size=(2, 40, 2))
        p_values.append(evaluation.mmd_test(first, second, 60, paired).p_value)
    assert 0.35 < np.mean(p_values) < 0.65
    assert np.mean(np.array(p_values) < 0.1) < 0.25
    shifted = evaluation.mmd_test(first, second + 1.5, 200, paired)
    assert shifted.p_value < 0.01


def test_the_gap_between_aggregate_posterior_and_prior():
    """Slopes 1 and scale 1e-3 give the standard normal aggregate, others do not."""
    model = tfcvae.VAE(
        layers.IndependentNormal(3, scale=1e-3), layers.IndependentNormal(3, scale=1.0), seed=0
    )
    model.build(X.shape)
    model.encoder.set_weights([np.eye(3), np.zeros(3)])
    assert evaluation.prior_gap(model, X[:400], 200).p_value > 0.05
    model.encoder.set_weights([0.3 * np.eye(3), np.zeros(3)])
    assert evaluation.prior_gap(model, X[:400], 200).p_value < 0.01


def test_the_gap_of_a_cvae_compares_draws_for_the_same_x():
    model = tfcvae.CVAE(
        layers.IndependentNormal(2, scale=0.5),
        layers.IndependentNormal(2, scale=0.5),
        layers.IndependentNormal(1),
    )
    x, y = X[:200], X[:200, :1]
    model.build(x.shape)
    kernel = np.random.default_rng(0).normal(size=(3, 2))
    model.prior.set_weights([kernel, np.zeros(2)])
    model.recognition.set_weights([np.r_[kernel, np.zeros((1, 2))], np.zeros(2)])
    p_values = [evaluation.prior_gap(model, (x, y), 100, seed=i).p_value for i in range(10)]
    assert 0.2 < np.mean(p_values) < 0.8
    model.recognition.set_weights([np.r_[kernel, np.ones((1, 2))], np.zeros(2)])
    assert evaluation.prior_gap(model, (x, y), 200).p_value < 0.05


@pytest.mark.parametrize("second", [np.zeros((3, 2)), np.zeros((4, 3)), np.zeros(4)])
def test_samples_of_different_shapes_are_refused(second):
    with pytest.raises(ValueError, match="same shape"):
        evaluation.mmd_test(np.zeros((4, 2)), second)


# ---- Callbacks ------------------------------------------------------------------------------


def fit(model, **kwargs):
    model.compile()
    return model.fit(constructors.DATA, batch_size=8, verbose=0, **kwargs)


def test_a_collapsed_posterior_warns_once():
    model = constructors.vae(regularizers=[regularizers.KL(1000.0)])
    model.compile(keras.optimizers.Adam(0.05))
    with pytest.warns(UserWarning, match=r"Posterior collapse: kl was below 0.1 nats for 2 epochs"):
        model.fit(
            constructors.DATA, epochs=40, verbose=0, callbacks=[callbacks.CollapseWarning(0.1, 2)]
        )


def test_a_healthy_posterior_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(
            constructors.vae(regularizers=[regularizers.KL(0.0)]),
            epochs=3,
            callbacks=[callbacks.CollapseWarning(1e-3)],
        )


@pytest.mark.parametrize("arguments", [{"threshold": 0.0}, {"patience": 0}])
def test_arguments_of_the_collapse_warning(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        callbacks.CollapseWarning(**arguments)


@pytest.mark.parametrize("name", ["weight", "capacity"])
@pytest.mark.parametrize("kind", ["polynomial", "cyclical", "piecewise", "cosine"])
def test_a_schedule_longer_than_the_run_warns(name, kind):
    def schedule(steps):
        if kind == "cyclical":
            return schedules.Cyclical(steps)
        if kind == "piecewise":
            return keras.optimizers.schedules.PiecewiseConstantDecay([2, steps], [0.0, 0.5, 1.0])
        if kind == "cosine":
            return keras.optimizers.schedules.CosineDecay(
                0.0, steps - 5, warmup_target=1.0, warmup_steps=5
            )
        return keras.optimizers.schedules.PolynomialDecay(0.0, steps, 1.0)

    too_long = constructors.vae(regularizers=[regularizers.KL(**{name: schedule(9)})])
    with pytest.warns(UserWarning, match=rf"schedule of `{name}`.*'kl' takes 9 steps.*after 8"):
        fit(too_long, epochs=4)
    fitting = constructors.vae(regularizers=[regularizers.KL(**{name: schedule(8)})])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(fitting, epochs=4)
    with pytest.warns(UserWarning, match="after 8"):
        fit(too_long, epochs=8, initial_epoch=4)


@pytest.mark.parametrize("length", [6, 7])
def test_a_schedule_is_compared_with_data_of_unknown_length(length):
    """2 batches in each of 3 epochs, which Keras learns of when the first has passed."""
    schedule = keras.optimizers.schedules.PolynomialDecay(0.0, length, 1.0)
    model = constructors.vae(regularizers=[regularizers.KL(schedule)])
    data = tf.data.Dataset.from_tensor_slices(constructors.DATA).filter(lambda x: True).batch(8)
    model.compile("sgd", jit_compile=False)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        model.fit(data, epochs=3, verbose=0)
    assert any("takes 7 steps" in str(w.message) for w in found) == (length == 7)


@pytest.mark.parametrize("accumulated, warns", [(1, False), (4, True)])
def test_a_schedule_counts_the_steps_of_the_optimizer(accumulated, warns):
    """Several batches make one step where gradients accumulate; a half-life is no length."""
    linear = keras.optimizers.schedules.PolynomialDecay(0.0, 3, 1.0)
    endless = keras.optimizers.schedules.ExponentialDecay(1.0, 1000, 0.5)
    model = constructors.vae(regularizers=[regularizers.KL(linear, capacity=endless)])
    steps = accumulated if warns else None
    model.compile(keras.optimizers.SGD(0.0, gradient_accumulation_steps=steps), jit_compile=False)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        model.fit(constructors.DATA, epochs=2, batch_size=8, verbose=0)
    assert [str(w.message) for w in found if "schedule" in str(w.message)] == [
        "The schedule of `weight` of the regularizer 'kl' takes 3 steps, but this run ends after 1"
    ] * warns


def test_the_kl_of_a_capacity_run_goes_to_the_capacity():
    model = constructors.vae(regularizers=[regularizers.KL(100.0, capacity=1.5)])
    model.compile(keras.optimizers.Adam(0.02), jit_compile=True)
    data = tf.data.Dataset.from_tensors(constructors.DATA).repeat()
    history = model.fit(data, epochs=2, steps_per_epoch=300, verbose=0).history
    assert history["kl"][-1] == pytest.approx(1.5, abs=0.2)


def test_latent_distributions_are_those_of_the_parts():
    model = constructors.vae()
    posterior, prior = model.latent_distributions(tf.constant(constructors.DATA))
    z = tf.zeros([16, 2])
    np.testing.assert_array_equal(
        posterior.log_prob(z), model.encode(constructors.DATA).log_prob(z)
    )
    np.testing.assert_array_equal(prior.log_prob(z), model.prior_distribution().log_prob(z))


def test_a_model_without_recognition_has_no_posterior_to_look_at():
    gsnn = tfcvae.CVAE(
        None, layers.IndependentNormal(2), layers.IndependentNormal(3, scale=1.0), alpha=0.0
    )
    x, y = np.ones((4, 2), "float32"), np.ones((4, 3), "float32")
    for look in (evaluation.active_units, evaluation.prior_gap, plotting.latents):
        with pytest.raises(ValueError, match="recognition"):
            look(gsnn, (x, y))
    expected = evaluation.log_likelihood(gsnn, (x, y), 10, "monte_carlo", verbose=0)
    assert evaluation.log_likelihood(gsnn, (x, y), 10, verbose=0).mean == expected.mean


def test_data_without_end_are_refused():
    vae = tfcvae.VAE(layers.IndependentNormal(2), layers.IndependentNormal(3))
    data = tf.data.Dataset.from_tensors(np.ones((4, 3), "float32")).repeat()
    with pytest.raises(ValueError, match="finite"):
        evaluation.log_likelihood(vae, data, verbose=0)


def test_the_null_of_a_gap_follows_the_seed():
    vae = tfcvae.VAE(layers.IndependentNormal(2), layers.IndependentNormal(3))
    x = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
    nulls = [evaluation.prior_gap(vae, x, num_permutations=20, seed=s).null for s in (0, (0, -1))]
    assert not np.array_equal(*nulls)


def test_pair_plots_show_the_dimensions_that_the_posterior_means_use():
    layer = layers.IndependentNormal(4, scale=1.0)
    vae = tfcvae.VAE(layer, layers.IndependentNormal(3))
    vae.build((None, 3))
    kernel = np.zeros((3, 4), "float32")
    kernel[0, 2], kernel[1, 1] = 0.5, 0.3
    layer.weights[0].assign(kernel)
    x = np.random.default_rng(0).normal(size=(50, 3)).astype("float32")
    figure = plotting.latents(vae, x, num_dimensions=2)
    assert {axis.get_xlabel() for axis in figure.axes} == {"", "z2", "z3"}
