"""Every prior, free and given x, and every posterior by a flow: a density, its draws and its two
directions."""

import constructors
import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from constructors import FLOW, mlp

import tfcvae
from tfcvae import bijectors, evaluation, layers, priors

tfd = tfp.distributions

X = constructors.X[:2]
SPLINE = {**FLOW, "num_bins": 4}


def vamp(network=None):
    """A VampPrior bound to an encoder of x, or of (x, y) if there is something to condition on."""
    encoder = layers.IndependentNormal(2, mlp())
    encoder.build(((None, 4), (None, 3)) if network else (None, 4))
    prior = priors.VampPrior(2, 5)
    prior.bind(encoder, is_conditional=network is not None)
    return prior


PRIORS = {
    "learned_normal": lambda network: priors.LearnedNormal(2, network=network),
    "learned_normal_full": lambda network: priors.LearnedNormal(2, network, "full"),
    "bayesian_normal": lambda network: priors.BayesianNormal(2, 100, network),
    "mixture": lambda network: priors.GaussianMixture(2, 3, network=network),
    "mixture_full": lambda network: priors.GaussianMixture(2, 3, "full", network),
    "vamp": vamp,
    "maf": lambda network: priors.MAF(2, **FLOW, network=network),
    "iaf": lambda network: priors.IAF(2, **FLOW, network=network),
    "real_nvp": lambda network: priors.RealNVP(2, **FLOW, network=network),
    "spline": lambda network: priors.NeuralSplineFlow(2, **SPLINE, network=network),
    "spline_autoregressive": lambda network: priors.NeuralSplineFlow(
        2, **SPLINE, autoregressive=True, network=network
    ),
    "linear_actnorm": lambda network: priors.MAF(
        2, **FLOW, mixing="linear", actnorm=True, network=network
    ),
    "flow_of_a_mixture": lambda network: priors.RealNVP(
        2, **FLOW, network=network, base=priors.GaussianMixture(2, 3)
    ),
    "flow_of_vamp": lambda network: priors.MAF(2, **FLOW, network=network, base=vamp(network)),
    "second_stage": lambda network: priors.SecondStage(2, 2, (4,), 500, network=network),
}
TRANSFORMED = {
    "flow_posterior": lambda network: layers.FlowPosterior(
        layers.IndependentNormal(2, network), 2, (4,)
    ),
    "flow_posterior_linear": lambda network: layers.FlowPosterior(
        layers.MultivariateNormalTriL(2, network), 2, (4,), mixing="linear"
    ),
    "autoregressive_transform": lambda network: layers.AutoregressiveTransform(
        layers.IndependentLogistic(2, network), 1, (4,)
    ),
}
"""Distributions of layers pushed through flows, which are always given x."""
ALL = {**PRIORS, **TRANSFORMED}
FLOWS = [name for name in PRIORS if "flow" in name or name in constructors.PRIORS and "maf" in name]
FLOWS += ["iaf", "real_nvp", "spline", "spline_autoregressive", "linear_actnorm", *TRANSFORMED]

over = pytest.mark.parametrize


def every(names):
    """Parametrises a test over cases, free and given x where there are both."""
    return over(
        "name, given",
        [
            pytest.param(name, given, id=f"{name}-{'given' if given else 'free'}")
            for name in names
            for given in (False, True)
            if given or name in PRIORS
        ],
    )


def made(name, given, dtype=None):
    """A prior whose weights have moved from where they start, and its distribution for one x."""
    keras.utils.set_random_seed(0)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype or before)
    try:
        prior = ALL[name](mlp() if given else None)
    finally:
        keras.config.set_dtype_policy(before)
    inputs = tf.cast(X[:1], dtype or "float32") if given else None
    prior(inputs)
    rng = np.random.default_rng(1)
    for weight in prior.trainable_weights:
        weight.assign_add(0.2 * rng.normal(size=weight.shape))
    if name == "second_stage":
        # Its estimate has heavy tails where its posterior is narrower than the true one.
        (bias,) = (w for w in prior.encoder.trainable_weights if "projection/bias" in w.path)
        bias.assign([0.0, 0.0, 1.5, 1.5])
        for weight in prior.decoder.trainable_weights:
            weight.assign(0.3 * weight)
    return prior, prior(inputs)


def grid(half_width=12.0, points=240):
    """Points of a square, and the area of each."""
    side = (np.arange(points) + 0.5) / points * 2 * half_width - half_width
    return np.stack(np.meshgrid(side, side), -1).reshape(-1, 2), (2 * half_width / points) ** 2


def density(distribution, points):
    z = tf.constant(points, distribution.dtype)
    z = z[:, None] if distribution.batch_shape.rank else z
    chunks = [tf.exp(distribution.log_prob(part)) for part in tf.split(z, 16)]
    return tf.reshape(tf.concat(chunks, 0), [-1]).numpy().astype("float64")


@every(ALL)
def test_the_density_integrates_to_one_and_the_draws_follow_it(name, given):
    _, distribution = made(name, given)
    points, area = grid()
    p = density(distribution, points) * area
    np.testing.assert_allclose(p.sum(), 1.0, atol=0.03 if name == "second_stage" else 0.01)
    rng = np.random.default_rng(2)
    expected = points[rng.choice(len(points), 400, p=p / p.sum())]
    expected += rng.uniform(-0.5, 0.5, expected.shape) * np.sqrt(area)
    z = distribution.sample(400, seed=(0, 4)).numpy().reshape(400, 2)
    assert evaluation.mmd_test(z, expected, 200).p_value > 0.005


@every(sorted({*FLOWS} - {"flow_of_vamp"}))
@over("dtype, tolerance", [("float64", 1e-5), ("float32", 5e-3)])
def test_a_flow_inverts_itself(name, given, dtype, tolerance):
    _, distribution = made(name, given, dtype)
    bijector = distribution.bijector
    z = tf.constant(np.random.default_rng(4).normal(size=(50, 1, 2)), dtype)
    there_and_back = bijector.inverse(tf.identity(bijector.forward(z)))
    np.testing.assert_allclose(there_and_back, z, atol=tolerance)
    back_and_there = bijector.forward(tf.identity(bijector.inverse(z)))
    np.testing.assert_allclose(back_and_there, z, atol=tolerance)


@every(sorted({*FLOWS} - {"flow_of_vamp"}))
def test_the_log_determinant_of_a_flow_is_that_of_the_jacobian(name, given):
    _, distribution = made(name, given, "float64")
    bijector = distribution.bijector
    z = tf.constant(np.random.default_rng(4).normal(size=(6, 1, 2)), tf.float64)
    directions = (
        (bijector.inverse, bijector.inverse_log_det_jacobian),
        (bijector.forward, bijector.forward_log_det_jacobian),
    )
    for direction, log_det in directions:
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(z)
            dimensions = tf.unstack(direction(z), axis=-1)
        jacobians = np.stack([tape.gradient(one, z) for one in dimensions], -2)
        found = np.broadcast_to(log_det(z, event_ndims=1), (6, 1))
        np.testing.assert_allclose(found, np.linalg.slogdet(jacobians)[1], atol=1e-8)


@over("name", [*FLOWS, "mixture", "vamp", "second_stage"])
@over("shape", [(2,), (1, 2), (3, 1, 2)])
def test_a_conditional_density_takes_points_that_broadcast(name, shape):
    """Compiled, where the loop of an IAF must keep its shapes."""
    prior, _ = made(name, True)
    z = tf.constant(np.random.default_rng(2).normal(size=shape), "float32")
    density = tf.function(lambda x, z: prior(x).log_prob(z))
    whole = tf.broadcast_to(z, [*shape[:-2], len(X), 2])
    expected = prior(tf.constant(X)).log_prob(whole)
    np.testing.assert_allclose(density(tf.constant(X), z), expected, 1e-4, 1e-4)


@every(["vamp", "flow_of_vamp", "second_stage"])
def test_xla_gives_the_same(name, given):
    """Of the priors that the contracts leave out; the noise of a second stage is another there."""
    prior, _ = made(name, given)
    x = tf.constant(X) if given else None
    z = tf.constant(0.3 * np.random.default_rng(2).normal(size=(len(X), 2)), "float32")

    def values():
        distribution = prior(x)
        return layers.center(distribution), distribution.log_prob(z)

    compiled = tf.function(values, jit_compile=True)()
    for received, expected in zip(compiled, values()):
        noise = 0.25 if name == "second_stage" else 0.0
        np.testing.assert_allclose(received, expected, 1e-4, 1e-5 + noise)


@over("name", [name for name in TRANSFORMED if "posterior" in name])
def test_the_density_of_a_flow_posteriors_own_draws_is_one_pass(name, monkeypatch):
    """Of other points, a copy among them, it is one for each dimension."""
    _, posterior = made(name, True)
    calls, call = [], bijectors.Conditioner.call

    def counted(self, *args, **kwargs):
        calls.append(self)
        return call(self, *args, **kwargs)

    monkeypatch.setattr(bijectors.Conditioner, "call", counted)
    z = posterior.sample(seed=(0, 1))
    own = posterior.log_prob(z)
    assert len(calls) <= 2 * 2
    calls.clear()
    np.testing.assert_allclose(posterior.log_prob(tf.identity(z)), own, 1e-4)
    assert len(calls) >= 2 * 2


@every(ALL)
def test_draws_carry_gradients_to_every_weight(name, given):
    """For the MMD, and for the GSNN's draws of p(z|x)."""
    prior, _ = made(name, given)
    with tf.GradientTape() as tape:
        distribution = prior(tf.constant(X) if given else None)
        z = distribution.sample(4, seed=(0, 1))
        loss = tf.reduce_sum(z**3 + z)
    unused = prior.encoder.trainable_weights if name == "second_stage" else []
    for weight, gradient in zip(
        prior.trainable_weights, tape.gradient(loss, prior.trainable_weights)
    ):
        if any(weight is w for w in unused):
            continue
        assert gradient is not None, weight.path
        assert np.all(np.isfinite(gradient)), weight.path
        assert np.any(gradient), weight.path


def independent(kind):
    return lambda loc, scale: tfd.Independent(kind(loc, scale), 1)


SCALES = [[0.7, 0.5], [0.6, 0.8]]
TRIL = [[[0.7, 0.0], [0.4, 0.5]], [[0.6, 0.0], [-0.3, 0.8]]]


@over(
    "components_of, scales",
    [
        (tfd.MultivariateNormalTriL, TRIL),
        (independent(tfd.Normal), SCALES),
        (independent(tfd.Logistic), 0.4 * np.array(SCALES)),
    ],
    ids=["full", "normal", "logistic"],
)
def test_a_mixture_has_the_implicit_gradients_of_its_draws(components_of, scales):
    """Against the derivative of E f(z) by quadrature, in two dimensions."""
    locs = tf.constant([[-0.5, 0.3], [0.8, -0.2]], tf.float64)
    scales = tf.constant(scales, tf.float64)
    logits = tf.constant([0.2, -0.3], tf.float64)
    points, area = grid(6.0, 300)

    def f(z):
        return tf.sin(z[..., 0]) * z[..., 1] ** 2 + z[..., 0] * z[..., 1]

    def gradients(expectation):
        with tf.GradientTape() as tape:
            tape.watch([logits, locs, scales])
            components = components_of(locs, scales)
            value = expectation(tfcvae.mixtures.mixture(logits, components))
        return tape.gradient(value, [logits, locs, scales])

    exact = gradients(lambda d: area * tf.reduce_sum(tf.exp(d.log_prob(points)) * f(points)))
    drawn = gradients(lambda d: tf.reduce_mean(f(d.sample(100_000, seed=(0, 1)))))
    for a, b in zip(drawn, exact):
        b = tf.linalg.band_part(b, -1, 0) if b.shape.rank == 3 else b
        a = tf.linalg.band_part(a, -1, 0) if a.shape.rank == 3 else a
        np.testing.assert_allclose(a, b, atol=0.02)


@over("event_shape, covariance", [((2,), "diag"), ((3, 2), "diag"), ((2,), "full")])
def test_each_draw_of_a_mixture_is_made_by_a_component_of_its_own_row(event_shape, covariance):
    """Components at 0, 10, 20, ..., two for each of three rows, drawn with probability 1/4, 3/4."""
    logits = tf.math.log(tf.constant([[0.25, 0.75]] * 3))
    centers = tf.reshape(10.0 * tf.range(6.0), [3, 2, *[1] * len(event_shape)])
    locs = tf.broadcast_to(centers, [3, 2, *event_shape])
    if covariance == "full":
        components = tfd.MultivariateNormalTriL(locs, 0.1 * tf.eye(2))
    else:
        components = tfd.Independent(tfd.Normal(locs, 0.1), len(event_shape))
    z = tfcvae.mixtures.mixture(logits, components).sample((5, 400), seed=(0, 1)).numpy()
    assert z.shape == (5, 400, 3, *event_shape)
    which = np.round(z / 10).reshape(2000, 3, -1)
    assert np.all(which == which[..., :1])
    assert 0.08 < (z / 10 - np.round(z / 10)).std() * 10 < 0.12
    for row, of_row in enumerate(which[..., 0].T):
        assert set(of_row) == {2 * row, 2 * row + 1}
        assert abs(np.mean(of_row == 2 * row) - 0.25) < 0.05


def test_actnorm_is_initialised_from_data():
    prior = priors.MAF(2, **FLOW, actnorm=True)
    prior.build(None)
    z = np.random.default_rng(0).normal([3.0, -1.0], [2.0, 0.3], (500, 2)).astype("float32")
    prior.initialize(z)
    u = prior(None).bijector.inverse(z).numpy()
    np.testing.assert_allclose(u.mean(0), 0.0, atol=1e-3)
    np.testing.assert_allclose(u.std(0), 1.0, atol=1e-3)


def test_the_second_direction_of_a_flow_is_the_inverse_of_the_first():
    """An IAF is a MAF with its directions exchanged."""
    maf, iaf = (kind(2, **FLOW) for kind in (priors.MAF, priors.IAF))
    for prior in (maf, iaf):
        prior.build(None)
    iaf.set_weights(maf.get_weights())
    z = tf.constant(np.random.default_rng(0).normal(size=(5, 2)), "float32")
    steps = maf.chain.steps[0](None), iaf.chain.steps[0](None)
    np.testing.assert_allclose(steps[0].forward(z), steps[1].inverse(z), 1e-5)


@over("shape", [(3,), (4, 3), (2, 4, 3)])
@over("covariance", ["diag", "full"])
def test_the_density_of_a_mixture_of_narrow_normals_far_apart(shape, covariance):
    """Squares that are expanded in float32 would be wrong by many nats here."""
    rng = np.random.default_rng(0)
    loc, scale = rng.normal(0, 100, (5, 3)), 10 ** rng.uniform(-3, 0, (5, 3))
    if covariance == "full":
        scale = scale[..., None] * (np.eye(3) + np.tril(rng.normal(size=(5, 3, 3)), -1))
    logits = rng.normal(size=5)
    loc, scale, logits = (a.astype("float32") for a in (loc, scale, logits))
    z = (loc[1] + 0.01 * rng.normal(size=shape)).astype("float32")

    def normals(loc, scale):
        if covariance == "full":
            return tfd.MultivariateNormalTriL(loc, scale)
        return tfd.Independent(tfd.Normal(loc, scale), 1)

    def gradients(dtype, make):
        parameters = [tf.constant(a, dtype) for a in (logits, loc, scale, z)]
        with tf.GradientTape() as tape:
            tape.watch(parameters)
            components = normals(*parameters[1:3])
            log_prob = make(parameters[0], components).log_prob(parameters[3])
            assert log_prob.shape == shape[:-1]
        return [log_prob, *tape.gradient(log_prob, parameters)]

    received = gradients("float32", tfcvae.mixtures.mixture)
    exact = gradients("float64", lambda p, q: tfd.MixtureSameFamily(tfd.Categorical(p), q))
    for a, b in zip(received, exact):
        np.testing.assert_allclose(a, b, 1e-5, 1e-5)


# ---- VampPrior ------------------------------------------------------------------------------


def test_a_vamp_prior_is_the_mixture_of_the_posteriors_of_its_pseudo_inputs():
    data = constructors.DATA
    model = constructors.vae(prior=priors.VampPrior(2, 3, data[:3]))
    model.build(data.shape)
    np.testing.assert_array_equal(model.prior.pseudo_inputs, data[:3])
    z = tf.constant([[0.3, -0.2], [1.0, 0.5]])
    each = model.encode(data[:3]).log_prob(z[:, None])
    expected = tf.reduce_logsumexp(each, -1) - np.log(3)
    np.testing.assert_allclose(model.prior_distribution().log_prob(z), expected, 1e-5)


@over("labels", [False, True])
def test_a_conditional_vamp_prior_mixes_the_posteriors_of_x(labels):
    x = constructors.CLASSES if labels else constructors.DATA
    y = constructors.DATA if labels else constructors.TARGET
    model = constructors.cvae(
        3 if labels else None, y.shape[1], prior=priors.VampPrior(2, 3, y[:3])
    )
    model.build(x.shape)
    z = tf.constant(np.random.default_rng(0).normal(size=(len(x), 2)), "float32")
    each = [model.recognize(x, np.repeat(y[k : k + 1], len(x), 0)).log_prob(z) for k in range(3)]
    expected = tf.reduce_logsumexp(each, 0) - np.log(3)
    np.testing.assert_allclose(model.prior_distribution(x).log_prob(z), expected, 1e-4, 1e-5)


def test_an_unbound_vamp_prior_says_so():
    with pytest.raises(ValueError, match="bind"):
        priors.VampPrior(2, 3)(None)


def test_pseudo_inputs_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="pseudo_inputs.*3 rows"):
        priors.VampPrior(2, 3, constructors.DATA[:2])
    model = constructors.vae(prior=priors.VampPrior(2, 3, constructors.DATA[:3, :2]))
    with pytest.raises(ValueError, match=r"pseudo_inputs.*\(4,\)"):
        model.build((None, 4))


# ---- SecondStage ----------------------------------------------------------------------------


def test_a_second_stage_learns_the_aggregate_posterior_of_the_first(tmp_path):
    """Here that is two clusters, which N(0, I) is not."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 2)) * 0.1 + rng.choice([-2.0, 2.0], (1000, 1))
    x = x.astype("float32")
    first = tfcvae.VAE(
        layers.IndependentNormal(2, keras.layers.Identity(), scale=0.3),
        layers.IndependentNormal(2, keras.layers.Identity(), scale=0.3),
    )
    first.build(x.shape)
    prior = priors.SecondStage.fit_to(
        first, x, epochs=60, batch_size=100, learning_rate=5e-3, hidden_units=(32, 32), verbose=0
    )
    model = tfcvae.VAE(first.encoder, first.decoder, prior=prior)
    before = evaluation.prior_gap(first, x[:300], 100)
    after = evaluation.prior_gap(model, x[:300], 100)
    assert after.statistic < 0.2 * before.statistic
    z = first.encode(x).sample(seed=(0, 1))
    gain = model.prior_distribution().log_prob(z) - first.prior_distribution().log_prob(z)
    assert tf.reduce_mean(gain) > 0.5

    model.compile()
    model.save(tmp_path / "both.keras")
    restored = keras.models.load_model(tmp_path / "both.keras")
    np.testing.assert_array_equal(restored.log_prob(x[:5], 3, 1), model.log_prob(x[:5], 3, 1))
    np.testing.assert_array_equal(restored.sample(3, seed=1), model.sample(3, seed=1))


def test_the_density_of_a_second_stage_is_a_bound_that_rises_with_its_draws():
    prior = priors.SecondStage(2, 2, (4,), num_samples=2)
    prior.build(None)
    z = tf.constant(np.random.default_rng(0).normal(size=(4000, 2)), "float32")
    means = []
    for num_samples in (1, 10, 200):
        prior.num_samples = num_samples
        means.append(float(tf.reduce_mean(prior(None).log_prob(z))))
    assert means[0] < means[1] < means[2] + 0.01


def test_a_second_stage_draws_fresh_noise_in_training_and_fixed_noise_outside():
    prior = priors.SecondStage(2, 2, (4,), num_samples=2)
    z = tf.zeros([3, 2])
    fixed = [prior(None).log_prob(z) for _ in range(2)]
    np.testing.assert_array_equal(*fixed)
    with tfcvae.seeds.estimate_noise(tf.constant([0, 1])):
        assert np.any(prior(None).log_prob(z) != fixed[0])


def test_the_density_of_a_second_stage_has_noise_of_its_own_in_every_estimate():
    stage = priors.SecondStage(2, hidden_units=(4,), num_samples=1)
    vae = tfcvae.VAE(layers.IndependentNormal(2), layers.IndependentNormal(3), prior=stage)
    vae.build((None, 3))
    x = np.ones((2, 3), "float32")
    estimates = {float(vae.log_prob(x, 2, seed=seed)[0]) for seed in range(3)}
    assert len(estimates) == 3
    np.testing.assert_array_equal(vae.log_prob(x, 2, seed=1), vae.log_prob(x, 2, seed=1))
    with tfcvae.seeds.estimate_noise(tf.constant([0, 1])):
        first = stage(None).log_prob(tf.ones([1, 2]))
    assert first != stage(None).log_prob(tf.ones([1, 2]))


@pytest.mark.parametrize(
    ("argument", "value"),
    [("warm_up", -1), ("warm_up", 3), ("epochs", 0), ("learning_rate", 0.0)],
)
def test_fit_to_refuses(argument, value):
    vae = tfcvae.VAE(layers.IndependentNormal(2), layers.IndependentNormal(3))
    with pytest.raises(ValueError, match=f"`{argument}`"):
        priors.SecondStage.fit_to(vae, np.ones((4, 3), "float32"), **{argument: value})
    with pytest.raises(ValueError, match="`network`"):
        network = keras.layers.Dense(2)
        priors.SecondStage.fit_to(vae, np.ones((4, 3), "float32"), network=network)


@pytest.mark.parametrize("name", ["mixture", "second_stage"])
def test_a_flow_has_the_center_of_its_base_with_and_without_a_network(name):
    make = {
        "mixture": lambda: priors.GaussianMixture(2, num_components=3),
        "second_stage": lambda: priors.SecondStage(2, hidden_units=(4,)),
    }[name]
    base = make()
    base.build(None)
    rng = np.random.default_rng(0)
    for weight in base.weights:
        weight.assign_add(rng.normal(size=weight.shape))
    x = tf.ones([5, 4])
    free, given = priors.MAF(2, base=base), priors.MAF(2, base=base, network=keras.layers.Dense(3))
    expected = np.tile(layers.center(free(None)), (5, 1))
    np.testing.assert_allclose(layers.center(given(x)), expected, 1e-5, 1e-6)


def test_a_vae_refuses_a_prior_that_needs_an_input():
    with pytest.raises(ValueError, match="`prior`"):
        tfcvae.VAE(
            layers.IndependentNormal(2),
            layers.IndependentNormal(3),
            prior=layers.IndependentNormal(2),
        )
