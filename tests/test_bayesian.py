"""Random weights, against the closed forms of Bayesian linear regression and conjugate priors."""

import constructors
import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from constructors import joint_posterior, joint_prior

import tfcvae
from tfcvae import evaluation, layers, networks, priors, regularizers, seeds

tfd = tfp.distributions
over = pytest.mark.parametrize

DENSE = (
    layers.DenseReparameterization,
    layers.DenseLocalReparameterization,
    layers.DenseFlipout,
)
CONVOLUTIONS = {
    1: (layers.Convolution1DReparameterization, layers.Convolution1DFlipout),
    2: (layers.Convolution2DReparameterization, layers.Convolution2DFlipout),
    3: (layers.Convolution3DReparameterization, layers.Convolution3DFlipout),
}


# ---- BayesianNormal -------------------------------------------------------------------------


def conjugate(z, loc, count, concentration, rate):
    """Murphy's posterior of mean and precision, dimension by dimension."""
    n, mean = len(z), z.mean(0)
    rate_n = rate + 0.5 * ((z - mean) ** 2).sum(0)
    rate_n = rate_n + count * n * (mean - loc) ** 2 / (2 * (count + n))
    return (count * loc + n * mean) / (count + n), count + n, concentration + n / 2, rate_n


def set_posterior(prior, loc, count, concentration, rate):
    n = prior.num_examples
    starts = prior.pseudo_count + n, prior.concentration + n / 2, prior.rate + n / 2
    logs = (np.log(v / s) + np.zeros(2) for v, s in zip((count, concentration, rate), starts))
    for variable, value in zip([prior._loc, *prior._logs], [loc, *logs]):
        variable.assign(value)


def bayesian_normal(z):
    hyper = {"loc": 0.5, "pseudo_count": 2.0, "concentration": 3.0, "rate": 1.5}
    prior = priors.BayesianNormal(2, len(z), dtype="float64", **hyper)
    prior.build(None)
    return prior, conjugate(z, *hyper.values())


Z = np.random.default_rng(0).normal([1.0, -2.0], [0.5, 1.5], (40, 2))


def test_the_conjugate_posterior_is_where_the_elbo_of_bayesian_normal_is_stationary():
    prior, exact = bayesian_normal(Z)
    set_posterior(prior, *exact)
    with tf.GradientTape() as tape:
        data = prior(None, training=True).log_prob(tf.constant(Z))
        bound = tf.reduce_sum(data) - prior.kl()
    for gradient in tape.gradient(bound, prior.trainable_variables):
        np.testing.assert_allclose(gradient, 0.0, atol=1e-9)
    # And the bound is then the evidence: log p(z) = sum of the predictive densities in turn.
    evidence = 0.0
    for i, z in enumerate(Z):
        loc, count, a, b = conjugate(Z[:i], 0.5, 2.0, 3.0, 1.5) if i else (0.5, 2.0, 3.0, 1.5)
        scale = np.sqrt(b * (count + 1) / (a * count))
        evidence += tf.reduce_sum(tfd.StudentT(2 * a, tf.cast(loc, "float64"), scale).log_prob(z))
    np.testing.assert_allclose(bound, evidence, 1e-9)


def test_the_predictive_distribution_of_bayesian_normal_is_the_conjugate_one():
    prior, (loc, count, a, b) = bayesian_normal(Z)
    set_posterior(prior, loc, count, a, b)
    expected = tfd.StudentT(2 * a, loc, np.sqrt(b * (count + 1) / (a * count)))
    z = tf.constant(Z[:5])
    predictive = prior(None)
    np.testing.assert_allclose(
        predictive.log_prob(z), tf.reduce_sum(expected.log_prob(z), -1), 1e-9
    )


def test_given_x_the_mean_of_bayesian_normal_has_no_rival():
    """A bias without a KL would take its place: at a context of zero only mu is left."""
    prior = priors.BayesianNormal(2, 10, network=keras.layers.Identity())
    prior.build((None, 3))
    for i, weight in enumerate(prior.trainable_weights):
        weight.assign(tf.random.stateless_normal(weight.shape, [0, i]))
    np.testing.assert_array_equal(prior(tf.zeros([1, 3])).mean()[0], prior._loc)
    assert np.any(prior(tf.ones([1, 3])).mean()[0] != prior._loc)


@over("posterior", ["normal", "diag", "tril"])
def test_the_kl_to_bayesian_normal_is_exact(posterior):
    prior, exact = bayesian_normal(Z)
    set_posterior(prior, *exact)
    loc, scale = tf.constant([[0.3, -1.0]], tf.float64), tf.constant([[0.4, 0.9]], tf.float64)
    tril = tf.constant([[[0.4, 0.0], [0.3, 0.9]]], tf.float64)
    q = {
        "normal": tfd.Independent(tfd.Normal(loc, scale), 1),
        "diag": tfd.MultivariateNormalDiag(loc, scale),
        "tril": tfd.MultivariateNormalTriL(loc, tril),
    }[posterior]
    p = prior(None, training=True)
    z = q.sample(200_000, seed=(0, 1))
    drawn = tf.reduce_mean(q.log_prob(z) - p.log_prob(z), 0)
    found = regularizers.kl_divergence(q, p, tf.zeros([0, 1, 2], tf.float64))
    np.testing.assert_allclose(found, drawn, atol=0.02)


def test_bayesian_normal_trains_to_the_conjugate_posterior_inside_a_model():
    """With the posterior of z fixed nearly to points the data of the prior are those points."""
    z = Z.astype("float32")
    model = tfcvae.VAE(
        layers.IndependentNormal(2, keras.layers.Identity(), scale=1e-3, projection=False),
        layers.IndependentNormal(2, keras.layers.Identity(), scale=1.0, projection=False),
        prior=priors.BayesianNormal(2, len(z)),
        seed=0,
    )
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 300)
    model.compile(keras.optimizers.Adam(schedule), **FAST)
    data = tf.data.Dataset.from_tensors(z).repeat()
    model.fit(data, epochs=1, steps_per_epoch=300, verbose=0)
    loc, count, a, b = conjugate(Z, 0.0, 1.0, 1.0, 1.0)
    found_loc, _, found_a, found_b = (p.numpy() for p in model.prior._parameters())
    np.testing.assert_allclose(found_loc, loc, atol=0.01)
    np.testing.assert_allclose(found_a / found_b, a / b, 0.02)  # their ratio is what z tells
    history = model.fit(z, batch_size=40, verbose=0).history
    kl = float(model.prior.kl()) / len(z)
    assert history["kl_weights"][-1] == pytest.approx(kl, 1e-2)
    terms = {name: history[name][-1] for name in ("reconstruction", "kl", "kl_weights")}
    assert history["loss"][-1] == pytest.approx(sum(terms.values()), 1e-5)
    assert history["elbo"][-1] == pytest.approx(-sum(terms.values()), 1e-5)


# ---- Bayesian linear regression -------------------------------------------------------------

N, NOISE = 60, 0.5
FAST = {"jit_compile": True, "steps_per_execution": 100}
RNG = np.random.default_rng(5)
INPUTS = RNG.normal(size=(N, 2)) @ np.array([[1.0, 0.8], [0.0, 0.6]])
TARGETS = INPUTS @ np.array([[1.5], [-0.7]]) + NOISE * RNG.normal(size=(N, 1))
POINTS = RNG.normal(size=(20, 2))
PRECISION = INPUTS.T @ INPUTS / NOISE**2 + np.eye(2)
MEAN = np.linalg.solve(PRECISION, INPUTS.T @ TARGETS / NOISE**2)


@keras.saving.register_keras_serializable("tests")
def negative_log_likelihood(y, prediction):
    return tf.reduce_sum(0.5 * ((y - prediction) / NOISE) ** 2, -1)


@keras.saving.register_keras_serializable("tests")
def mean_field_posterior(kernel_size, bias_size, dtype):
    return priors.LearnedNormal(kernel_size + bias_size)


def variational(posterior):
    return layers.DenseVariational(1, posterior, joint_prior, N, use_bias=False)


REGRESSIONS = {
    **{kind.__name__: lambda kind=kind: kind(1, N, bias_posterior_fn=None) for kind in DENSE},
    "DenseVariational_mean_field": lambda: variational(mean_field_posterior),
    "DenseVariational_full": lambda: variational(joint_posterior),
}


@over("name", REGRESSIONS)
def test_the_weights_of_a_linear_regression_are_known(name):
    """The full family holds the posterior; the best mean-field one has the same mean, and the
    variances 1 / precision_ii (Bishop 2006, section 10.1.2)."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([REGRESSIONS[name]()])
    schedule = keras.optimizers.schedules.CosineDecay(0.05, 2500)
    model.compile(keras.optimizers.Adam(schedule), negative_log_likelihood, **FAST)
    copies = 20  # in one batch, to average the noise of the draws
    x, y = np.tile(INPUTS, (copies, 1)), np.tile(TARGETS, (copies, 1))
    data = tf.data.Dataset.from_tensors((x.astype("float32"), y.astype("float32"))).repeat()
    model.fit(data, epochs=1, steps_per_epoch=2500, verbose=0)
    full = "full" in name
    covariance = np.linalg.inv(PRECISION) if full else np.diag(1 / np.diag(PRECISION))
    x = POINTS.astype("float32")
    exact_stddev = np.sqrt(np.einsum("ni,ij,nj->n", POINTS, covariance, POINTS))
    prediction = evaluation.predict_over_weights(model, x, 2000)
    for mean in (prediction.mean, model.predict(x, verbose=0)):
        np.testing.assert_array_less(np.abs(mean - POINTS @ MEAN)[:, 0], 0.2 * exact_stddev)
    np.testing.assert_allclose(prediction.stddev[:, 0], exact_stddev, 0.1)


# ---- The loss -------------------------------------------------------------------------------


def kl_by_tfp(layer):
    return tfd.kl_divergence(layer._kernel[0](), layer._kernel[1]())


def sequential(layer):
    return keras.Sequential([keras.Input((4,)), layer])


def functional(layer):
    x = keras.Input((4,))
    return keras.Model(x, keras.layers.Add()([layer(x), layer(x)]))


class Subclassed(keras.Model):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, x):
        return self.layer(x)


@over("kind", DENSE)
@over("make", [sequential, functional, Subclassed])
def test_the_kl_joins_the_loss_once_and_is_tfps(make, kind):
    layer = kind(3, 50)
    model = make(layer)
    model(constructors.X)
    (loss,) = model.losses
    np.testing.assert_allclose(loss, kl_by_tfp(layer) / 50, 1e-6)
    model.compile("sgd", lambda y, p: 0.0 * tf.reduce_sum(p, -1))
    logged = model.evaluate(constructors.X, np.zeros((len(constructors.X), 3)), verbose=0)
    np.testing.assert_allclose(logged, loss, 1e-5)


@over("rank", CONVOLUTIONS)
def test_convolutions_have_tfps_kl_and_keras_mean(rank):
    x = np.random.default_rng(0).normal(size=(3, *[5] * rank, 2)).astype("float32")
    plain = getattr(keras.layers, f"Conv{rank}D")(4, 3, padding="same", strides=2)
    plain.build(x.shape)
    for kind in CONVOLUTIONS[rank]:
        layer = kind(4, 3, num_examples=50, padding="same", strides=2)
        y = layer(x)
        assert y.shape == layer.compute_output_shape(x.shape)
        np.testing.assert_allclose(layer.losses[0], kl_by_tfp(layer) / 50, 1e-6)
        plain.set_weights([layer.weights[0], plain.get_weights()[1]])
        np.testing.assert_allclose(y, plain(x), 1e-4, 1e-5)
        with seeds.weight_noise(tf.constant([0, 1])):
            assert np.any(np.abs(layer(x) - y) > 1e-3)


def test_a_random_bias_has_a_kl_of_its_own():
    layer = layers.DenseFlipout(
        3,
        10,
        bias_posterior_fn=layers.default_mean_field_normal_fn(),
        bias_prior_fn=layers.default_multivariate_normal_fn,
    )
    layer.build((None, 4))
    bias = tfd.kl_divergence(layer._bias[0](), layer._bias[1]())
    np.testing.assert_allclose(layer.losses[0], (kl_by_tfp(layer) + bias) / 10, 1e-6)


@keras.saving.register_keras_serializable("tests")
def laplace_weights(dtype, shape, name, trainable, add_variable_fn):
    zeros = tf.zeros(shape, dtype)
    return lambda: tfd.Independent(tfd.Laplace(zeros, tf.ones_like(zeros)), len(shape))


def test_a_kl_without_a_formula_is_drawn():
    layer = layers.DenseReparameterization(100, 1, kernel_prior_fn=laplace_weights)
    layer.build((None, 100))
    q, p = layer._kernel.posterior(), layer._kernel.prior()
    w = q.sample(100, seed=(0, 1))
    expected = tf.reduce_mean(q.log_prob(w) - p.log_prob(w))
    np.testing.assert_allclose(layer.losses[0], expected, 0.05)


def gradients(kind, num_draws):
    """Gradients of a loss in the kernel's mean and scale, one for each draw of the weights."""
    keras.utils.set_random_seed(0)
    spread = layers.default_mean_field_normal_fn(False, 0.5)
    if kind in DENSE:
        layer, shape = kind(3, 100, kernel_posterior_fn=spread), (64, 4)
    else:
        layer, shape = kind(3, 2, num_examples=100, kernel_posterior_fn=spread), (32, 4, 3, 2)
    x = tf.constant(np.random.default_rng(0).normal(size=shape), "float32")
    layer(x)

    @tf.function
    def gradient(i):
        with tf.GradientTape() as tape, seeds.weight_noise(tf.stack([0, i])):
            loss = tf.reduce_mean(tf.reduce_sum(tf.sin(layer(x, training=True)) ** 2, -1))
        return tf.concat(
            [tf.reshape(g, [-1]) for g in tape.gradient(loss, layer.trainable_weights[:2])], 0
        )

    return np.stack([gradient(tf.constant(i)) for i in range(num_draws)])


@over("kinds, share", [(DENSE, 0.5), (CONVOLUTIONS[2], 0.6)], ids=["dense", "convolution"])
def test_all_estimators_have_one_expected_gradient_and_flipout_a_smaller_variance(kinds, share):
    plain, *others = (gradients(kind, 800) for kind in kinds)
    for values in others:
        error = np.sqrt((values.var(0) + plain.var(0)) / len(values))
        np.testing.assert_array_less(np.abs(values.mean(0) - plain.mean(0)), 4.5 * error + 1e-6)
        assert values.var(0).sum() < share * plain.var(0).sum()


# ---- In models ------------------------------------------------------------------------------


def bayesian_vae():
    def network():
        return keras.Sequential([keras.Input((4,)), layers.DenseFlipout(8, 16, "tanh")])

    decoder = keras.Sequential([keras.Input((2,)), layers.DenseReparameterization(8, 16, "tanh")])
    return tfcvae.VAE(
        layers.IndependentNormal(2, network()),
        layers.IndependentNormal(4, decoder, scale="shared"),
        seed=0,
    )


def test_a_vae_of_random_weights_trains_and_is_restored(tmp_path):
    keras.utils.set_random_seed(0)
    model = bayesian_vae()
    model.compile(keras.optimizers.Adam(1e-2))
    x = constructors.DATA
    history = model.fit(x, validation_data=(x,), epochs=20, verbose=0).history
    assert history["val_elbo"][-1] > history["val_elbo"][0]
    kl = sum(float(v.regularizer(v)) for v in model.trainable_variables if v.regularizer)
    assert model.evaluate(x, verbose=0, return_dict=True)["kl_weights"] == pytest.approx(kl, 1e-5)
    before = model.log_prob(x, 5, seed=1)
    np.testing.assert_array_equal(before, model.log_prob(x, 5, seed=1))
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(before, restored.log_prob(x, 5, seed=1))
    prediction = evaluation.predict_over_weights(model, x, 10)
    assert prediction.mean.shape == x.shape and np.all(prediction.stddev > 0)


def test_training_with_random_weights_is_a_function_of_the_seeds():
    def weights():
        keras.utils.set_random_seed(0)
        model = bayesian_vae()
        model.compile()
        model.fit(constructors.DATA, epochs=2, verbose=0)
        return model.get_weights()

    for first, second in zip(weights(), weights()):
        np.testing.assert_array_equal(first, second)


def test_draws_over_weights_depend_on_the_seed_alone():
    model = sequential(layers.DenseFlipout(3, 50))
    first, second, other = (
        evaluation.predict_over_weights(model, constructors.X, 5, seed=s).mean for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert np.any(first != other)
    # One draw of the weights serves every batch.
    plain = sequential(layers.DenseReparameterization(3, 50))
    whole, parts = (
        evaluation.predict_over_weights(plain, constructors.X, 5, size).mean for size in (6, 2)
    )
    np.testing.assert_allclose(whole, parts, 1e-5)


def test_a_network_of_several_random_layers_draws_each_for_itself():
    first, second = (layers.DenseReparameterization(3, 50) for _ in range(2))
    for layer in (first, second):
        layer.build((None, 4))
    second.set_weights(first.get_weights())
    with seeds.weight_noise(tf.constant([0, 1])):
        assert np.any(first(constructors.X) != second(constructors.X))


def test_networks_work_beside_random_layers():
    layer = layers.IndependentNormal(
        2,
        keras.Sequential(
            [
                networks.mlp([4]),
                layers.DenseVariational(3, joint_posterior, joint_prior, 10),
            ]
        ),
    )
    layer(constructors.X)
    assert len(layer.losses) == 1


# ---- Errors ---------------------------------------------------------------------------------


@keras.saving.register_keras_serializable("tests")
def stored(dtype, shape, name, trainable, add_variable_fn):
    return tfd.Independent(tfd.Normal(tf.zeros(shape), 1.0), len(shape))


@keras.saving.register_keras_serializable("tests")
def laplace_posterior(dtype, shape, name, trainable, add_variable_fn):
    loc = add_variable_fn(name=name, shape=shape, dtype=dtype, trainable=trainable)
    return lambda: tfd.Independent(tfd.Laplace(tf.convert_to_tensor(loc), 1.0), len(shape))


@over(
    "make, message",
    [
        (lambda: layers.DenseFlipout(0, 10), "units"),
        (lambda: layers.DenseFlipout(3, 0), "num_examples"),
        (lambda: layers.Convolution2DFlipout(3, (1, 2, 3), num_examples=10), "kernel_size"),
        (lambda: layers.Convolution2DFlipout(3, 2, num_examples=10, padding="causal"), "padding"),
        (lambda: priors.BayesianNormal(2, 0), "num_examples"),
        (lambda: priors.BayesianNormal(2, 10, rate=0.0), "rate"),
        (
            lambda: layers.DenseReparameterization(3, 10, kernel_posterior_fn=stored).build((1, 2)),
            "kernel_posterior_fn.*function that makes",
        ),
        (
            lambda: layers.DenseFlipout(3, 10, kernel_posterior_fn=laplace_posterior).build((1, 2)),
            "Independent",
        ),
    ],
)
def test_errors_of_random_layers(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# ---- Precision, saving and Keras's conventions ---------------------------------------------


def test_noise_of_half_precision_layers_is_not_rounded():
    """Around a mean of 1 the next number in bfloat16 is 1.0078: too coarse for a scale of 0.001."""
    layer = layers.DenseFlipout(1, 10, dtype="mixed_bfloat16", bias_posterior_fn=None)
    layer.build((None, 1))
    loc, raw_scale = layer.weights[:2]
    loc.assign([[0.0]])
    raw_scale.assign([[np.log(np.expm1(1e-3))]])
    draws = [float(layer(tf.ones([1, 1]), training=True)[0, 0]) for _ in range(200)]
    assert np.std(draws) == pytest.approx(1e-3, rel=0.2)
    loc.assign([[1.0]])
    kernels = [layer._kernel.posterior().sample(seed=(0, i)).numpy() for i in range(50)]
    assert len(np.unique(kernels)) == 50


def test_a_row_of_zeros_has_finite_slopes_in_half_precision():
    layer = layers.DenseLocalReparameterization(3, 10, dtype="mixed_float16")
    layer.build((None, 2))
    with tf.GradientTape() as tape:
        result = tf.reduce_sum(layer(tf.zeros([1, 2]), training=True))
    assert all(np.all(np.isfinite(g)) for g in tape.gradient(result, layer.trainable_weights))


def test_a_kl_without_a_formula_is_drawn_once_in_a_step():
    def net():
        return keras.Sequential(
            [
                keras.Input((3,)),
                layers.DenseReparameterization(3, 10, kernel_prior_fn=laplace_weights),
            ]
        )

    vae = tfcvae.VAE(
        layers.IndependentNormal(2, network=net()), layers.IndependentNormal(3, scale=1.0), seed=0
    )
    vae.compile(keras.optimizers.SGD(0.0))
    x = np.ones((4, 3), "float32")
    logs = vae.fit(x, verbose=0).history
    assert logs["loss"][0] == pytest.approx(-logs["elbo"][0], rel=1e-5)
    first, second = (vae.evaluate(x, verbose=0) for _ in range(2))
    assert first == second


@over(
    "layer, sizes", [(layers.DenseReparameterization, (2,)), (layers.Convolution1DFlipout, (2, 2))]
)
def test_functions_of_weights_must_be_registered(layer, sizes):
    with pytest.raises(ValueError, match="`kernel_prior_fn` must be a function registered"):
        layer(*sizes, num_examples=2, kernel_prior_fn=lambda *_: None)
    with pytest.raises(ValueError, match="`make_prior_fn` must be a function registered"):
        layers.DenseVariational(1, joint_posterior, lambda *_: None, 10)


@over("layer", DENSE)
def test_dense_layers_pass_masks_on(layer):
    dense = layer(2, 10)
    inputs = keras.layers.Embedding(3, 4, mask_zero=True)(tf.constant([[1, 0]]))
    np.testing.assert_array_equal(dense(inputs)._keras_mask, [[True, False]])


def test_batches_whose_gradients_are_accumulated_have_noise_of_their_own():
    vae = tfcvae.VAE(layers.IndependentNormal(2), layers.IndependentNormal(3, scale=1.0), seed=0)
    vae.compile(keras.optimizers.SGD(0.0, gradient_accumulation_steps=4))
    losses = []
    record = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: vae.reset_metrics(),
        on_train_batch_end=lambda batch, logs: losses.append(float(logs["loss"])),
    )
    data = tf.data.Dataset.from_tensors(np.ones((4, 3), "float32")).repeat(4)
    vae.fit(data, verbose=0, callbacks=[record])
    assert len(set(losses)) == 4
