"""The KL divergence and the maximum mean discrepancy, against formulas and brute force."""

import itertools
import math

import constructors
import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from constructors import REGULARIZERS

import tfcvae
from tfcvae import layers, sampling, schedules
from tfcvae.regularizers import GECO, KL, MMD, kl_divergence, kl_per_dimension

tfd = tfp.distributions

B, D = 5, 3
RNG = np.random.default_rng(0)


def array(*shape):
    return tf.constant(RNG.normal(size=shape), tf.float32)


LOC, SCALE = array(B, D), tf.nn.softplus(array(B, D))
LOC2, SCALE2 = array(B, D), tf.nn.softplus(array(B, D))
FILL = tfp.bijectors.FillScaleTriL()
TRIL, TRIL2 = FILL(array(B, 6)), FILL(array(B, 6))

PAIRS = {
    "independent": tfd.Independent(tfd.Normal(LOC, SCALE), 1),
    "independent_known_scale": tfd.Independent(tfd.Normal(LOC, 0.5), 1),
    "independent_known_loc": tfd.Independent(tfd.Normal(0.0, SCALE), 1),
    "diag": tfd.MultivariateNormalDiag(LOC, SCALE),
    "tril": tfd.MultivariateNormalTriL(LOC, TRIL),
}
PRIORS = {
    "independent": tfd.Independent(tfd.Normal(LOC2, SCALE2), 1),
    "independent_free": tfd.Independent(tfd.Normal(LOC2[0], SCALE2[0]), 1),
    "diag": tfd.MultivariateNormalDiag(LOC2, SCALE2),
    "standard": tfd.MultivariateNormalDiag(tf.zeros(D), tf.ones(D)),
    "tril": tfd.MultivariateNormalTriL(LOC2, TRIL2),
}
OTHERS = {
    "flow": tfd.TransformedDistribution(
        tfd.MultivariateNormalDiag(tf.zeros(D), tf.ones(D)),
        tfp.bijectors.Chain([tfp.bijectors.Shift([1.0, 0.0, -1.0]), tfp.bijectors.Scale(2.0)]),
    ),
    "mixture": tfd.MixtureSameFamily(
        tfd.Categorical(logits=[0.0, 1.0]),
        tfd.MultivariateNormalDiag(array(2, D), tf.ones(D)),
    ),
    "laplace": tfd.Independent(tfd.Laplace(LOC2, SCALE2), 1),
}
SEED = tf.constant([0, 1])


def normal_kl(posterior, prior):
    """KL between normal distributions by the general formula, in float64."""

    def moments(distribution):
        loc = np.broadcast_to(distribution.mean(), (B, D)).astype("float64")
        if isinstance(distribution, tfd.Independent):
            scale = np.broadcast_to(distribution.distribution.scale, (B, D))
            return loc, np.stack([np.diag(s.astype("float64") ** 2) for s in scale])
        return loc, np.broadcast_to(distribution.covariance(), (B, D, D)).astype("float64")

    (m, s), (n, t) = moments(posterior), moments(prior)
    inverse = np.linalg.inv(t)
    trace = np.trace(inverse @ s, axis1=1, axis2=2)
    square = np.einsum("bi,bij,bj->b", n - m, inverse, n - m)
    return (trace + square - D + np.linalg.slogdet(t)[1] - np.linalg.slogdet(s)[1]) / 2


def call(regularizer, posterior, prior, z=None, step=0, **kwargs):
    """The weighted term as a float: a tensor is no equal of `pytest.approx`."""
    return float(tensor(regularizer, posterior, prior, z, step, **kwargs))


def tensor(regularizer, posterior, prior, z=None, step=0, **kwargs):
    z = posterior.sample(2, seed=SEED) if z is None else z
    return regularizer(posterior, prior, z, step=tf.constant(step), seed=SEED, **kwargs)


@pytest.mark.parametrize("q,p", list(itertools.product(PAIRS, PRIORS)))
def test_kl_of_normals_is_exact(q, p):
    """For any draws of z, even none that q would make, and without noise."""
    posterior, prior = PAIRS[q], PRIORS[p]
    z = tf.fill((1, B, D), 1e3)
    received = kl_divergence(posterior, prior, z)
    assert received.shape == (B,)
    np.testing.assert_allclose(received, normal_kl(posterior, prior), 2e-4, 1e-5)
    per_dimension = kl_per_dimension(posterior, prior)
    if "tril" in (q, p):
        assert per_dimension is None
    else:
        assert per_dimension.shape == (B, D)
        np.testing.assert_allclose(tf.reduce_sum(per_dimension, -1), received, 1e-4, 1e-5)


@pytest.mark.parametrize("p", OTHERS)
def test_kl_without_a_formula_is_the_mean_over_the_draws(p):
    posterior, prior = PAIRS["diag"], OTHERS[p]
    z = posterior.sample(4, seed=SEED)
    expected = np.mean(posterior.log_prob(z) - prior.log_prob(z), axis=0)
    np.testing.assert_allclose(kl_divergence(posterior, prior, z), expected, 1e-5, 1e-5)


def test_kl_by_monte_carlo_converges_to_the_exact_one():
    """A flow that is a normal distribution in disguise."""
    posterior, prior = PAIRS["diag"], OTHERS["flow"]
    z = posterior.sample(20000, seed=SEED)
    same = tfd.MultivariateNormalDiag([1.0, 0.0, -1.0], [2.0, 2.0, 2.0])
    terms = posterior.log_prob(z) - prior.log_prob(z)
    error = np.std(terms, axis=0) / math.sqrt(20000)
    difference = kl_divergence(posterior, prior, z) - normal_kl(posterior, same)
    assert np.all(np.abs(difference) < 5 * error)


def test_kl_is_averaged_over_rows_and_weighted_by_them():
    posterior, prior = PAIRS["independent"], PRIORS["standard"]
    each = normal_kl(posterior, prior)
    assert call(KL(), posterior, prior) == pytest.approx(each.mean(), rel=1e-4)
    assert call(KL(0.5), posterior, prior) == pytest.approx(each.mean() / 2, rel=1e-4)
    weights = tf.constant([1.0, 0.0, 2.0, 0.5, 0.0])
    expected = np.sum(weights * each) / B
    received = call(KL(), posterior, prior, sample_weight=weights)
    assert received == pytest.approx(expected, rel=1e-4)


def test_free_bits_are_a_floor_of_each_dimensions_mean_over_the_batch():
    loc = tf.constant([[0.0, 2.0, 0.4], [0.0, 0.0, 0.6]])
    posterior = tfd.Independent(tfd.Normal(loc, 1.0), 1)
    prior = tfd.MultivariateNormalDiag(tf.zeros(3), tf.ones(3))
    # KL of a row and dimension: loc^2 / 2. Means: 0, 1, 0.13; the floor lifts the first and last.
    z = tf.zeros((1, 2, 3))
    assert call(KL(free_bits=0.5), posterior, prior, z) == pytest.approx(0.5 + 1.0 + 0.5, rel=1e-5)
    assert call(KL(2.0, free_bits=0.1), posterior, prior, z) == pytest.approx(
        2 * (0.1 + 1.0 + 0.13), rel=1e-5
    )
    assert call(KL(free_bits=0.0), posterior, prior, z) == pytest.approx(1.13, rel=1e-5)


def test_free_bits_are_a_floor_of_the_total_where_one_does_not_factorise():
    posterior, prior = PAIRS["tril"], PRIORS["standard"]
    total = normal_kl(posterior, prior).mean()
    below, above = KL(free_bits=total - 0.1), KL(free_bits=total + 0.1)
    assert call(below, posterior, prior) == pytest.approx(total, rel=1e-4)
    assert call(above, posterior, prior) == pytest.approx(total + 0.1, rel=1e-4)


def test_free_bits_stop_the_gradient_below_the_floor():
    loc = tf.Variable([[0.1, 3.0]])
    prior = tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2))
    with tf.GradientTape() as tape:
        posterior = tfd.Independent(tfd.Normal(loc, 1.0), 1)
        penalty = tensor(KL(free_bits=1.0), posterior, prior, tf.zeros((1, 1, 2)))
    np.testing.assert_allclose(tape.gradient(penalty, loc), [[0.0, 3.0]], 1e-5)


@pytest.mark.parametrize("cls", [KL, MMD])
def test_a_schedule_is_read_at_the_step(cls):
    schedule = keras.optimizers.schedules.PolynomialDecay(0.0, 10, end_learning_rate=1.0)
    posterior, prior = PAIRS["independent"], PRIORS["standard"]
    full = call(cls(), posterior, prior)
    for step, weight in [(0, 0.0), (5, 0.5), (10, 1.0), (20, 1.0)]:
        received = call(cls(schedule), posterior, prior, step=step)
        assert received == pytest.approx(weight * full, rel=1e-5)


# ---- MMD ------------------------------------------------------------------------------------

KERNELS = {
    "imq": lambda d2, c: c / (c + d2),
    "rbf": lambda d2, c: math.exp(-d2 / c),
}


def brute_force(z, target, kernel, scales, same_rows, weights=None):
    """The U-statistic of one set of draws, by double loops in float64."""
    z, target = np.float64(z), np.float64(target)
    rows, size = z.shape
    weights = np.ones(rows) if weights is None else weights

    def k(a, b):
        d2 = np.sum((a - b) ** 2)
        return sum(KERNELS[kernel](d2, 2.0 * size * s) for s in scales)

    def mean(a, b, diagonal):
        total = norm = 0.0
        for i in range(rows):
            for j in range(rows):
                if i != j or diagonal:
                    total += weights[i] * weights[j] * k(a[i], b[j])
                    norm += weights[i] * weights[j]
        return total / norm

    within = mean(z, z, False) + mean(target, target, False)
    return within - 2 * mean(z, target, same_rows)


class Fixed:
    """A prior that draws what it is given."""

    def __init__(self, draws, conditional):
        self.draws = draws
        self.batch_shape = tf.TensorShape(draws.shape[1:2] if conditional else [])

    def sample(self, sample_shape, seed):
        expected = tuple(self.draws.shape[: len(sample_shape)])
        assert tuple(int(n) for n in sample_shape) == expected
        return self.draws


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("kernel", KERNELS)
def test_mmd_is_the_u_statistic(kernel, conditional):
    z, target = array(2, 6, D), 0.5 + array(2, 6, D)
    prior = Fixed(target, conditional)
    posterior = tfd.Independent(tfd.Normal(z[0], 1.0), 1)
    scales = (0.3, 1.0)
    mmd = MMD(kernel=kernel, scales=scales)
    received = call(mmd, posterior, prior, z)
    expected = np.mean(
        [brute_force(z[s], target[s], kernel, scales, not conditional) for s in range(2)]
    )
    assert received == pytest.approx(expected, rel=1e-3, abs=1e-5)
    # Rows of weight 0 are as good as absent.
    weights = tf.constant([1.0, 0.0, 1.0, 1.0, 0.0, 1.0])
    received = call(mmd, posterior, prior, z, sample_weight=weights)
    kept = [0, 2, 3, 5]
    expected = np.mean(
        [
            brute_force(
                z.numpy()[s][kept], target.numpy()[s][kept], kernel, scales, not conditional
            )
            for s in range(2)
        ]
    )
    assert received == pytest.approx(expected, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("conditional", [False, True])
def test_the_mean_of_mmd_is_zero_for_equal_distributions(conditional):
    """Conditional: p(z|x) varies with the row, which biases the statistic unless i = j is out."""
    loc = 3 * array(8, 2) if conditional else tf.zeros((8, 2))
    posterior = tfd.MultivariateNormalDiag(loc, tf.ones((8, 2)))
    prior = posterior
    if not conditional:
        prior = tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2))
    mmd = MMD()

    @tf.function
    def one(seed):
        seeds = tf.random.experimental.stateless_split(seed, 2)
        z = posterior.sample(1, seed=seeds[0])
        return mmd.penalty(posterior, prior, z, step=0, seed=seeds[1])

    values = np.array([one(tf.constant([7, i])) for i in range(500)])
    error = values.std() / math.sqrt(len(values))
    assert np.any(values < 0)
    assert abs(values.mean()) < 4 * error


def test_mmd_tells_distributions_apart_and_has_a_gradient():
    loc = tf.Variable(tf.fill((16, 2), 2.0))
    prior = tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2))
    for kernel in KERNELS:
        with tf.GradientTape() as tape:
            posterior = tfd.Independent(tfd.Normal(loc, 1.0), 1)
            value = tensor(MMD(kernel=kernel), posterior, prior)
        gradient = tape.gradient(value, loc).numpy()
        assert value > 0.1
        assert np.all(np.isfinite(gradient)) and gradient.sum() > 0


@pytest.mark.parametrize("conditional", [False, True])
def test_fewer_than_two_rows_have_no_mmd(conditional):
    z = array(3, 1, D)
    posterior = tfd.Independent(tfd.Normal(z[0], 1.0), 1)
    prior = posterior if conditional else PRIORS["standard"]
    assert call(MMD(), posterior, prior, z) == 0.0
    # Two rows of which one weighs nothing are one row.
    posterior = tfd.Independent(tfd.Normal(array(2, D), 1.0), 1)
    prior = posterior if conditional else PRIORS["standard"]
    assert call(MMD(), posterior, prior, sample_weight=tf.constant([1.0, 0.0])) == 0.0
    # As are no rows at all.
    empty = tfd.Independent(tfd.Normal(tf.zeros((0, D)), 1.0), 1)
    prior = empty if conditional else PRIORS["standard"]
    assert call(MMD(), empty, prior, tf.zeros((1, 0, D))) == 0.0
    assert call(KL(), empty, PRIORS["standard"], tf.zeros((1, 0, D))) == 0.0


# ---- Contracts of every regularizer ---------------------------------------------------------


@pytest.mark.parametrize("name", REGULARIZERS)
def test_the_configuration_makes_the_same_regularizer(name):
    regularizer = REGULARIZERS[name]()
    serialized = keras.saving.serialize_keras_object(regularizer)
    copy = keras.saving.deserialize_keras_object(serialized)
    assert type(copy) is type(regularizer) and copy.name == regularizer.name
    assert copy.get_config() == regularizer.get_config()
    posterior, prior = PAIRS["independent"], PRIORS["standard"]
    for step in (0, 5, 10):
        expected = call(regularizer, posterior, prior, step=step)
        np.testing.assert_array_equal(call(copy, posterior, prior, step=step), expected)


@pytest.mark.parametrize("name", REGULARIZERS)
@pytest.mark.parametrize("prior", ["standard", "independent"])
def test_a_regularizer_gives_a_finite_scalar_and_a_gradient(name, prior):
    loc, raw = tf.Variable(LOC), tf.Variable(SCALE)
    with tf.GradientTape() as tape:
        posterior = tfd.Independent(tfd.Normal(loc, raw), 1)
        value = tensor(REGULARIZERS[name](), posterior, PRIORS[prior], step=5)
    assert value.shape == () and value.dtype == tf.float32
    for gradient in tape.gradient(value, [loc, raw]):
        assert np.all(np.isfinite(gradient)) and np.any(gradient)


@pytest.mark.parametrize(
    "make,argument",
    [
        (lambda: KL(-1.0), "weight"),
        (lambda: KL(float("nan")), "weight"),
        (lambda: KL("1"), "weight"),
        (lambda: KL(free_bits=-0.1), "free_bits"),
        (lambda: MMD(-1.0), "weight"),
        (lambda: MMD(float("inf")), "weight"),
        (lambda: MMD(kernel="linear"), "kernel"),
        (lambda: MMD(scales=()), "scales"),
        (lambda: MMD(scales=(1.0, -1.0)), "scales"),
    ],
)
def test_bad_arguments_name_themselves(make, argument):
    with pytest.raises(ValueError, match=rf"`{argument}`[\s\S]*Received: {argument}="):
        make()


# ---- Capacity, groups, bandwidths and targets -----------------------------------------------


def normals():
    return PAIRS["diag"], PRIORS["diag"], array(2, B, D)


def penalty(regularizer, step=0):
    return float(regularizer.penalty(*normals(), step=tf.constant(step), seed=SEED))


def test_a_capacity_is_the_distance_to_the_kl():
    kl = penalty(KL())
    assert penalty(KL(capacity=1.0)) == pytest.approx(abs(kl - 1.0), rel=1e-5)
    assert penalty(KL(capacity=kl + 2)) == pytest.approx(2.0, rel=1e-4)
    schedule = keras.optimizers.schedules.PolynomialDecay(0.0, 10, 4.0)
    assert penalty(KL(capacity=schedule), 5) == pytest.approx(abs(kl - 2.0), rel=1e-5)


def test_free_bits_of_groups():
    per_dimension = tf.reduce_mean(kl_per_dimension(*normals()[:2]), 0).numpy()
    floor = float(per_dimension.sum()) + 1
    assert penalty(KL(free_bits=floor, num_groups=1)) == pytest.approx(floor)
    assert penalty(KL(free_bits=floor, num_groups=3)) == pytest.approx(3 * floor)
    assert penalty(KL(free_bits=1e-6, num_groups=1)) == pytest.approx(per_dimension.sum(), rel=1e-5)
    with pytest.raises(ValueError, match="num_groups.*divide the 3"):
        penalty(KL(free_bits=0.1, num_groups=2))


def test_a_group_of_free_bits_is_a_run_of_dimensions():
    """The first two dimensions cost 1/2 and 2 nats, the others 0.02 each."""
    posterior = tfd.MultivariateNormalDiag(tf.constant([[1.0, 2.0, 0.2, 0.2]]), tf.ones([1, 4]))
    prior = tfd.MultivariateNormalDiag(tf.zeros(4), tf.ones(4))
    found = call(KL(free_bits=1.0, num_groups=2), posterior, prior)
    assert found == pytest.approx(2.5 + 1.0, rel=1e-5)


def test_the_median_is_the_unit_of_the_kernel():
    posterior, prior, z = normals()
    z = z[:1]
    arguments = {"step": tf.constant(0), "seed": SEED}
    median = MMD(bandwidth="median", scales=(1.0,)).penalty(posterior, prior, z, **arguments)
    target = sampling.draw(prior, 1, B, SEED)
    d2 = np.sum((z[0][:, None] - target[0][None]) ** 2, -1)
    known = MMD(bandwidth=float(np.median(d2)), scales=(1.0,))
    np.testing.assert_allclose(median, known.penalty(posterior, prior, z, **arguments), 1e-5)
    arguments["sample_weight"] = tf.constant([1.0, 0.0] * (B // 2) + [1.0] * (B % 2))
    kept = arguments["sample_weight"].numpy() > 0
    known = MMD(bandwidth=float(np.median(d2[kept][:, kept])), scales=(1.0,))
    median = MMD(bandwidth="median", scales=(1.0,)).penalty(posterior, prior, z, **arguments)
    np.testing.assert_allclose(median, known.penalty(posterior, prior, z, **arguments), 1e-5)
    arguments["sample_weight"] = tf.zeros(B)
    nothing = MMD(bandwidth="median").penalty(posterior, prior, z, **arguments)
    np.testing.assert_array_equal(nothing, 0.0)


def test_a_target_replaces_the_prior():
    posterior, prior, z = normals()
    arguments = {"step": tf.constant(0), "seed": SEED}
    regularizer = MMD(target=constructors.uniform_latents)
    expected = MMD().penalty(posterior, constructors.uniform_latents(), z, **arguments)
    np.testing.assert_array_equal(regularizer.penalty(posterior, prior, z, **arguments), expected)
    with pytest.raises(ValueError, match="target.*registered"):
        MMD(target=lambda: prior)


@pytest.mark.parametrize(
    "step, value", [(0, 0.0), (5, 0.4), (12, 1.0), (24, 1.0), (25, 0.0), (99, 1.0), (1000, 1.0)]
)
def test_a_cyclical_schedule(step, value):
    schedule = schedules.Cyclical(100, num_cycles=4, ramp=0.5)
    assert float(schedule(step)) == pytest.approx(value, abs=0.041)
    config = schedule.get_config()
    assert schedules.Cyclical.from_config(config).get_config() == config


def test_a_cyclical_schedule_goes_between_its_ends():
    schedule = schedules.Cyclical(10, 1, 1.0, start=0.2, end=0.6)
    np.testing.assert_allclose([schedule(i) for i in (0, 5, 10)], [0.2, 0.4, 0.6], 1e-6)


@pytest.mark.parametrize(
    "make, name",
    [
        (lambda: KL(capacity=-1.0), "capacity"),
        (lambda: KL(free_bits=0.1, capacity=1.0), "free_bits"),
        (lambda: KL(num_groups=0), "num_groups"),
        (lambda: MMD(bandwidth="mean"), "bandwidth"),
        (lambda: MMD(bandwidth=0.0), "bandwidth"),
        (lambda: GECO(1.0, rate=-1.0), "rate"),
        (lambda: GECO(1.0, decay=1.0), "decay"),
        (lambda: schedules.Cyclical(0), "num_steps"),
        (lambda: schedules.Cyclical(10, 0), "num_cycles"),
        (lambda: schedules.Cyclical(10, ramp=0.0), "ramp"),
        (lambda: constructors.vae(regularizers=[GECO(1.0)]), "regularizers"),
        (
            lambda: constructors.vae(regularizers=[KL(), GECO(1.0), GECO(2.0, name="other")]),
            "one `GECO`",
        ),
        (lambda: constructors.cvae(alpha=0.0, regularizers=[KL(), GECO(1.0)]), "alpha=0"),
        (
            lambda: constructors.vae(
                regularizers=[KL(), GECO(1.0)], importance_weighted=True, num_samples=2
            ),
            "importance_weighted",
        ),
    ],
)
def test_arguments_out_of_range(make, name):
    with pytest.raises(ValueError, match=name):
        make()


# ---- GECO -----------------------------------------------------------------------------------


def geco_vae(threshold, **kwargs):
    decoder = layers.IndependentNormal(4, scale=0.5)
    return constructors.vae(decoder, regularizers=[KL(), GECO(threshold, **kwargs)])


def test_geco_reaches_its_threshold_and_is_restored(tmp_path):
    x = np.random.default_rng(0).normal(size=(64, 2)) @ RNG.normal(size=(2, 4))
    x = x.astype("float32")
    model = geco_vae(2.0, rate=0.01)
    model.compile(keras.optimizers.Adam(0.01), jit_compile=True, steps_per_execution=100)
    data = tf.data.Dataset.from_tensors(x).repeat()
    logs = model.fit(data, epochs=3, steps_per_epoch=1000, verbose=0).history
    assert logs["reconstruction"][-1] == pytest.approx(2.0, abs=0.25)
    assert logs["geco"][-1] != pytest.approx(1.0, abs=0.05)
    end = model.evaluate(x, verbose=0, return_dict=True)
    assert end["loss"] == pytest.approx(
        end["kl"] + end["geco"] * (end["reconstruction"] - 2.0), abs=1e-3
    )
    assert end == model.evaluate(x, verbose=0, return_dict=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.evaluate(x, verbose=0, return_dict=True) == pytest.approx(end)


def test_a_step_of_geco():
    geco = GECO(10.0, rate=0.02, decay=0.5)
    geco.build()
    multiplier, loss = geco.constrain(tf.constant(14.0))
    assert float(multiplier) == 1.0 and float(loss) == 4.0
    geco.update(tf.constant(14.0), rows=3)
    multiplier, loss = geco.constrain(tf.constant(14.0))
    assert float(multiplier) == pytest.approx(math.exp(0.02 * 2.0))
    assert float(loss) == pytest.approx(4.0 * math.exp(0.02 * 2.0))
    geco.update(tf.constant(1000.0), rows=3)  # at most a tenth
    multiplier, _ = geco.constrain(tf.constant(14.0))
    assert float(multiplier) == pytest.approx(math.exp(0.02 * 2.0 + 0.1))
    assert GECO.from_config(geco.get_config()).get_config() == geco.get_config()


# ---- The doubly reparameterized gradient ----------------------------------------------------


def iwae_gradients(doubly, num_samples, draws=1500):
    """Gradients of the importance-weighted bound in the posterior's and the model's parameters."""
    loc, raw = tf.Variable(array(1, 2)), tf.Variable(array(1, 2))
    kernel = tf.Variable([[1.0, -0.5], [0.3, 0.8]])
    loc.assign([[0.3, -0.2]])
    raw.assign([[0.1, -0.3]])
    target = tf.constant([[0.7, -1.1]])
    p = tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2))

    @tf.function
    def gradient(seed):
        with tf.GradientTape() as tape:
            q = tfd.MultivariateNormalDiag(loc, tf.nn.softplus(raw))
            z = q.sample(num_samples, seed=tf.stack([0, seed]))

            def likelihood(z):
                return tfd.MultivariateNormalDiag(tf.linalg.matvec(kernel, z, True), [0.7, 0.7])

            if doubly:
                *_, bound = sampling.doubly_reparameterized(q, p, likelihood, z, target)
            else:
                log_w = likelihood(z).log_prob(target) + p.log_prob(z) - q.log_prob(z)
                bound = sampling.log_mean(log_w)
            bound = tf.reduce_sum(bound)
        parts = tape.gradient(bound, [loc, raw, kernel])
        return bound, tf.concat([tf.reshape(part, [-1]) for part in parts], 0)

    bounds, gradients = zip(*(gradient(tf.constant(i)) for i in range(draws)))
    return np.array(bounds), np.stack(gradients)


@pytest.mark.parametrize("num_samples", [1, 10])
def test_the_doubly_reparameterized_gradient_has_the_right_mean_and_less_variance(num_samples):
    bounds, doubly = iwae_gradients(True, num_samples)
    plain_bounds, plain = iwae_gradients(False, num_samples)
    np.testing.assert_allclose(bounds, plain_bounds, 1e-4, 1e-5)
    error = np.sqrt((doubly.var(0) + plain.var(0)) / len(plain))
    np.testing.assert_array_less(np.abs(doubly.mean(0) - plain.mean(0)), 4.5 * error + 1e-6)
    if num_samples == 10:
        assert doubly.var(0)[:4].sum() < 0.7 * plain.var(0)[:4].sum()
    np.testing.assert_allclose(doubly[:, 4:], plain[:, 4:], 1e-3, 1e-3)


def test_importance_weighted_training_ends_above_the_elbo():
    bounds = {}
    for weighted in (False, True):
        keras.utils.set_random_seed(0)
        model = constructors.vae(
            layers.IndependentBernoulli(12, constructors.mlp((8,))),
            num_samples=8,
            importance_weighted=weighted,
        )
        x = constructors.MASKS.reshape(16, 12)
        model.compile(keras.optimizers.Adam(0.02), jit_compile=True, steps_per_execution=100)
        data = tf.data.Dataset.from_tensors(x).repeat()
        model.fit(data, epochs=1, steps_per_epoch=300, verbose=0)
        bounds[weighted] = float(tf.reduce_mean(model.log_prob(x, 8, seed=0)))
    assert bounds[True] > bounds[False]


def test_geco_is_bounded_where_its_threshold_is_out_of_reach():
    geco = GECO(1.0, rate=1.0)
    geco.build()
    for _ in range(300):
        geco.update(tf.constant(1e6), tf.constant(4))
    multiplier, loss = geco.constrain(tf.constant(2.0))
    np.testing.assert_allclose([multiplier, loss], math.exp(10), 1e-5)


@pytest.mark.parametrize("bandwidth", [None, "median", 2.0])
def test_mmd_of_no_rows_is_zero(bandwidth):
    posterior = tfd.Independent(tfd.Normal(tf.zeros([0, 2]), 1.0), 1)
    prior = tfd.MultivariateNormalDiag(tf.zeros([2]), tf.ones([2]))
    z, seed = tf.zeros([1, 0, 2]), tf.constant([0, 1])
    assert float(MMD(bandwidth=bandwidth).penalty(posterior, prior, z, step=0, seed=seed)) == 0


def test_schedules_follow_the_precision_of_the_model():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        linear = keras.optimizers.schedules.PolynomialDecay(0.0, 10, 1.0)
        vae = tfcvae.VAE(
            layers.IndependentNormal(2),
            layers.IndependentNormal(3, scale="shared"),
            regularizers=[KL(linear, capacity=linear), MMD(linear), GECO(1.0)],
        )
        vae.compile("adam")
        x = np.random.default_rng(0).normal(size=(8, 3))
        logs = vae.fit(x, epochs=2, verbose=0).history
    finally:
        keras.config.set_dtype_policy(before)
    assert vae.encoder.weights[0].dtype == "float64" and np.all(np.isfinite(logs["loss"]))


def test_importance_weighted_training_adds_no_kl_under_any_name():
    vae = tfcvae.VAE(
        layers.IndependentNormal(2),
        layers.IndependentNormal(3, scale=1.0),
        regularizers=[KL(name="divergence")],
        num_samples=3,
        importance_weighted=True,
    )
    vae.compile("adam")
    logs = vae.evaluate(np.ones((4, 3), "float32"), verbose=0, return_dict=True)
    assert logs["divergence"] > 0
    assert logs["loss"] == pytest.approx(-logs["importance_bound"])
